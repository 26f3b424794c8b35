"""Questions to `history`: parts of past worlds, each found by an index, without folding the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from domain.identities.identity import PREFIXES
from domain.state.world import World
from projections.history.aggregates import VersionRow, world_of
from projections.history.project import IDENTITY, POLICY, PROFILE, STILL
from projections.keys.queries import KeyFilters
from projections.log.conditions import QueryConditions, has_text
from projections.log.schema import AskedLog, Table

OF_PREFIX = {PREFIXES[kind]: kind for kind in (POLICY, PROFILE)}
"""Prefixes of unique ids that reveal the kind of aggregate; any other id is an identity's."""
HISTORY, TEXTS, MOMENTS, POSITIONS = (Table("history", name) for name in ("history", "texts", "moments", "positions"))
COLUMNS = "h.kind, h.id, h.account, h.arn, h.position, h.at, h.until_position, h.until_at, h.document, t.text"
_FROM = f"FROM {HISTORY} h LEFT JOIN {TEXTS} t ON t.digest = h.policy"
_THEN = "h.position <= $1 AND h.until_position > $1"

# index: history_still
NOW = f"SELECT {COLUMNS} FROM history h LEFT JOIN texts t ON t.digest = h.policy WHERE h.until_position = {STILL}"
# reads every version
WHOLE = f"SELECT {COLUMNS} {_FROM} WHERE {_THEN}"
# index: history_pkey
ONE = f"SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.kind = $2 AND h.id = $3"
# index: history_about
ABOUT = f"SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.about = ANY($2) ORDER BY h.id"
# index: history_account
OF_ACCOUNTS = f"SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.account = ANY($2) AND h.kind = ANY($3) ORDER BY h.id"
# index: history_arn
BY_ARN = f"SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.arn = $2"
# index: history_pkey
KEYS_AFTER = f"""
SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.kind = 'key' AND h.id > $2 AND h.account LIKE $4 ORDER BY h.id LIMIT $3
"""
# index: history_arn, in its order
NAMED_AFTER = f"""
SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.arn > $2 AND h.account LIKE $4 AND split_part(h.arn, ':', 6) LIKE $5
ORDER BY h.arn LIMIT $3
"""
# index: history_pkey
POLICIES_BETWEEN = f"""
SELECT DISTINCT ON (h.policy, h.document->>'principals') {COLUMNS} {_FROM}
WHERE h.kind = 'key' AND h.id = $3 AND h.position <= $2 AND h.until_position > $1 LIMIT $4
"""
# index: history_pkey
POLICY_SPANS = f"""
SELECT DISTINCT ON (h.document->>'policy_version') {COLUMNS} {_FROM}
WHERE h.kind = 'key' AND h.id = $1 AND h.until_position < $2
ORDER BY h.document->>'policy_version', h.position DESC
"""
# index: history_pkey
FORMER_ALIAS = f"""
SELECT about FROM {HISTORY} WHERE kind = 'alias' AND id = $1 AND until_position < $2 ORDER BY position DESC LIMIT 1
"""
# index: history_pkey
ALIASES_NAMED = (
    f"SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.kind = 'alias' AND split_part(h.id, ':', 6) = $2 ORDER BY h.id"
)
# index: history_pkey
IN_REGIONS = (
    f"SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.kind = 'key' AND starts_with(h.id, $2 || '@') ORDER BY h.id LIMIT 50"
)
# index: history_pkey
ACCOUNTS = f"SELECT DISTINCT id FROM {HISTORY} WHERE kind = 'account' ORDER BY id"
# index: history_pkey
KEYS_BETWEEN = f"""
SELECT DISTINCT id FROM {HISTORY}
WHERE kind = 'key' AND position <= $2 AND until_position > $1 AND id > $3 AND account LIKE $5 ORDER BY id LIMIT $4
"""
# index: history_arn
BY_ARNS = f"SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.arn = ANY($2)"
# index: history_pkey
NAMED = f"SELECT {COLUMNS} {_FROM} WHERE {_THEN} AND h.kind = $2 AND h.id = ANY($3)"
# index: moments_at
POSITION_AT = f"SELECT position FROM {MOMENTS} WHERE at <= $1 ORDER BY at DESC, position DESC LIMIT 1"
# indexes: history_pkey, history_about, history_account
CHANGES_AROUND = f"""
WITH around AS (
    SELECT position, until_position FROM {HISTORY}
    WHERE (kind = 'key' AND id = ANY($3)) OR about = ANY($3) OR kind IN ('account', 'service', 'identity', 'policy')
)
SELECT position FROM around WHERE position > $1 AND position <= $2
UNION SELECT until_position FROM around WHERE until_position > $1 AND until_position <= $2
ORDER BY 1
"""


async def position_at(log: AskedLog, at: datetime) -> int | None:
    """The position of the last record that was decided at or before a time; None before the first record."""
    found: int | None = await log.fetchval(POSITION_AT, at)
    return found


async def moment_of(log: AskedLog, position: int) -> datetime | None:
    """When the last record at or before a position was decided. Index: moments_pkey."""
    found: datetime | None = await log.fetchval(
        f"SELECT at FROM {MOMENTS} WHERE position <= $1 ORDER BY position DESC LIMIT 1", position
    )
    return found


async def reached(log: AskedLog) -> int:
    """The position up to which the history is written; -1 before the first record."""
    found: int | None = await log.fetchval(f"SELECT next - 1 FROM {POSITIONS} WHERE topic = 'events'")
    return -1 if found is None else found


async def begins(log: AskedLog) -> datetime | None:
    """When the first record was decided. Index: moments_pkey."""
    found: datetime | None = await log.fetchval(f"SELECT at FROM {MOMENTS} ORDER BY position LIMIT 1")
    return found


# index: history_arn; and history_pkey
ALL_ARNS = f"""
SELECT DISTINCT h.id, h.arn FROM {HISTORY} h WHERE h.kind IN ('identity', 'policy') AND h.id IN (
    SELECT id FROM {HISTORY} WHERE arn = $1 AND account LIKE $2
)
"""
# index: history_pkey
CHANGED_AT = f"""
SELECT position FROM {HISTORY} WHERE kind IN ('identity', 'policy') AND id = ANY($1)
UNION SELECT until_position FROM {HISTORY}
WHERE kind IN ('identity', 'policy') AND id = ANY($1) AND until_at IS NOT NULL
"""
# index: history_account. Reads every version of the account's grants, keys, identities and instance profiles.
NAMED_AT = f"""
WITH naming AS (
    SELECT kind, position, until_position, until_at FROM {HISTORY} h
    WHERE account LIKE $2 AND kind IN ('grant', 'key', 'identity', 'instance-profile')
        AND EXISTS (SELECT FROM unnest($1::text[]) AS name WHERE strpos(h.document::text, '"' || name || '"') > 0)
)
SELECT kind, position FROM naming UNION SELECT kind, until_position FROM naming WHERE until_at IS NOT NULL
"""


async def all_arns(log: AskedLog, arn: str, account: str) -> tuple[list[str], list[str]]:
    """(unique ids, ARNs) of an account's ("" for any) identities and managed policies that have or had an ARN. Includes their
    earlier and later ARNs."""
    rows = await log.fetch(ALL_ARNS, arn, account or "%")
    return sorted({row["id"] for row in rows}), sorted({row["arn"] for row in rows})


async def changed_at(log: AskedLog, ids: Sequence[str]) -> list[int]:
    """The positions at which identities or managed policies were created, changed or deleted."""
    return [row["position"] for row in await log.fetch(CHANGED_AT, list(ids))]


async def named_at(log: AskedLog, account: str, names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Where an account's ("" for any) versions that contain one of the names begin and end: (of grants, of everything else)."""
    rows = await log.fetch(NAMED_AT, list(names), account or "%")
    grants = [row["position"] for row in rows if row["kind"] == "grant"]
    return grants, [row["position"] for row in rows if row["kind"] != "grant"]


async def had_arn(log: AskedLog, arn: str) -> bool:
    """Whether an identity or managed policy ever had this ARN. Index: history_arn."""
    return bool(await log.fetchval(f"SELECT EXISTS (SELECT 1 FROM {HISTORY} WHERE arn = $1)", arn))


async def last_arn(log: AskedLog, id: str, account: str) -> str | None:
    """The last ARN of an identity in an account ("" for any), by its unique id. Index: history_pkey."""
    found: str | None = await log.fetchval(
        f"""SELECT arn FROM {HISTORY} WHERE kind = 'identity' AND id = $1 AND account LIKE $2
        ORDER BY position DESC LIMIT 1""",
        id,
        account or "%",
    )
    return found


async def arns_then(log: AskedLog, ids: Iterable[tuple[str, int]], account: str) -> dict[tuple[str, int], str]:
    """By (unique id, position): the ARNs that an account's ("" for any) identities, managed policies and instance profiles had
    then. If one had been deleted by then, its last ARN. Index: history_pkey."""
    query = f"""SELECT asked.id, asked.position, found.arn
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS asked (kind, id, position), LATERAL (
            SELECT arn, account FROM {HISTORY} h
            WHERE h.kind = asked.kind AND h.id = asked.id AND h.position <= asked.position
            ORDER BY h.position DESC LIMIT 1
        ) AS found
        WHERE found.arn IS NOT NULL AND found.account LIKE $4"""
    pairs = sorted(set(ids))
    kinds = [OF_PREFIX.get(id[:4], IDENTITY) for id, _ in pairs]
    rows = await log.fetch(query, kinds, [id for id, _ in pairs], [position for _, position in pairs], account or "%")
    return {(row["id"], row["position"]): row["arn"] for row in rows}


async def arns(log: AskedLog, account: str, limit: int) -> list[str]:
    """ARNs that an account's ("" for any) identities and managed policies have or had. Indexes: history_account, or all of
    their kinds."""
    condition = "account = $1" if account else "$1 = ''"
    query = f"""SELECT DISTINCT arn FROM {HISTORY}
        WHERE {condition} AND kind IN ('identity', 'policy') AND arn IS NOT NULL LIMIT $2"""
    return [row["arn"] for row in await log.fetch(query, account, limit)]


async def grants_begun(log: AskedLog, key: str, begin: str) -> list[str]:
    """At most three ids of a key's present and past grants that begin with `begin`. Index: history_about."""
    query = f"""SELECT DISTINCT id FROM {HISTORY}
        WHERE about = $1 AND kind = 'grant' AND starts_with(id, $2) ORDER BY id LIMIT 3"""
    return [row["id"] for row in await log.fetch(query, key, begin)]


async def names(log: AskedLog, kinds: Sequence[str], limit: int) -> list[str]:
    """Ids of these kinds, present and past, in any account. Used for trails. Index: history_pkey."""
    query = f"SELECT DISTINCT id FROM {HISTORY} WHERE kind = ANY($1) LIMIT $2"
    return [row["id"] for row in await log.fetch(query, list(kinds), limit)]


async def aliases_of(log: AskedLog, position: int, keys: Sequence[str]) -> dict[str, list[str]]:
    """The names of the aliases that keys had then, by key. Index: history_about."""
    query = f"""SELECT about, id FROM {HISTORY}
        WHERE position <= $1 AND until_position > $1 AND about = ANY($2) AND kind = 'alias' ORDER BY id"""
    found: dict[str, list[str]] = {}
    for row in await log.fetch(query, position, list(keys)):
        found.setdefault(row["about"], []).append(row["id"].split(":", 5)[-1])
    return found


async def whole(log: AskedLog, position: int) -> list[VersionRow]:
    """Everything that existed at a position, as the beginning of a replay."""
    return await log.fetch(WHOLE, position)


async def made_at(log: AskedLog, key: str) -> datetime | None:
    """When the first version of a key began. Index: history_pkey."""
    found: datetime | None = await log.fetchval(f"SELECT min(at) FROM {HISTORY} WHERE kind = 'key' AND id = $1", key)
    return found


async def one(log: AskedLog, position: int, kind: str, name: str) -> VersionRow | None:
    return await log.fetchrow(ONE, position, kind, name)


async def aliases_named(log: AskedLog, position: int, name: str) -> list[VersionRow]:
    """The aliases with this name, of any account and Region. Index: history_pkey, within its kind."""
    return await log.fetch(ALIASES_NAMED, position, name)


async def in_regions(log: AskedLog, position: int, name: str) -> list[VersionRow]:
    """A trail's keys with one id, in each Region. Index: history_pkey, within its kind."""
    return await log.fetch(IN_REGIONS, position, name)


async def accounts(log: AskedLog) -> list[str]:
    """Every account that ever existed. Index: history_pkey, within its kind."""
    return [row["id"] for row in await log.fetch(ACCOUNTS)]


async def by_arn(log: AskedLog, position: int, arn: str) -> VersionRow | None:
    """The identity or managed policy that had this ARN then."""
    return await log.fetchrow(BY_ARN, position, arn)


async def ever(log: AskedLog, arn: str) -> bool:
    """Whether anything has or had this ARN, an identity or a managed policy. Index: history_arn."""
    return bool(await log.fetchval(f"SELECT EXISTS (SELECT FROM {HISTORY} WHERE arn = $1)", arn))


async def by_arns(log: AskedLog, position: int, arns: Sequence[str]) -> list[VersionRow]:
    return await log.fetch(BY_ARNS, position, list(arns)) if arns else []


async def named(log: AskedLog, position: int, kind: str, names: Sequence[str]) -> list[VersionRow]:
    return await log.fetch(NAMED, position, kind, list(names)) if names else []


async def keys_after(log: AskedLog, position: int, after: str, limit: int, account: str) -> list[VersionRow]:
    """The next keys of an account ("" for every account), in the order of their ids."""
    return await log.fetch(KEYS_AFTER, position, after, limit, account or "%")


_IN_DOCUMENT = {"key_id": "id"} | {name: name for name in ("arn", "spec", "usage", "origin", "description")}
"""Where a key's document has the fields by which keys can be found. It has no state: that follows from others."""


async def keys_found(
    log: AskedLog, position: int, after: str, limit: int, account: str, filters: KeyFilters, alias: str
) -> list[VersionRow]:
    """The next keys that the filters leave, but those of their state, in the order of their ids. `account`: "" for every account.
    `alias`: one that the key had, * for any characters; "" for any key. Indexes: history_pkey,
    history_about."""
    if filters == KeyFilters() and not alias:
        return await keys_after(log, position, after, limit, account)
    where = QueryConditions(position, after, limit, account or "%")
    where.add(f"{_THEN} AND h.kind = 'key' AND h.id > $2 AND h.account LIKE $4")
    for name, wanted in filters.fields.items():
        if name in _IN_DOCUMENT:
            where.add_text(f"h.document->>'{_IN_DOCUMENT[name]}'", wanted)
    if filters.tag is not None:
        name, value = filters.tag
        if value is None:
            where.add("(h.document->'tags')::jsonb ? {}", name)
        else:
            where.add("h.document->'tags'->>{} = {}", name, value)
    if filters.managed is not None:
        where.add(f"h.document->>'manager' {'<>' if filters.managed else '='} ''")
    if alias:
        named, value = has_text("a.document->>'name'", alias)
        then = _THEN.replace("h.", "a.")
        where.add(
            f"EXISTS (SELECT FROM {HISTORY} a WHERE {then} AND a.about = h.id AND a.kind = 'alias' AND {named})", value
        )
    where.add("TRUE ORDER BY h.id LIMIT $3")
    return await log.fetch(f"SELECT {COLUMNS} {_FROM} WHERE {where}", *where.values)


async def named_after(
    log: AskedLog, position: int, after: str, limit: int, account: str, kind: str
) -> list[VersionRow]:
    """The next users, groups, roles or managed policies of an account ("" for every account), in the order of their ARNs. `kind`
    begins the resource of their ARNs: user, group, role, policy."""
    return await log.fetch(NAMED_AFTER, position, after, limit, account or "%", f"{kind}/%")


async def policies_between(log: AskedLog, key: str, first: int, last: int, limit: int) -> list[VersionRow]:
    """One version of a key for each policy that it had in a span, and for each meaning of the policy's principals."""
    return await log.fetch(POLICIES_BETWEEN, first, last, key, limit)


async def policy_spans(log: AskedLog, key: str, position: int) -> list[VersionRow]:
    """For each policy that a key had before a position, the key's last version with it."""
    return await log.fetch(POLICY_SPANS, key, position)


async def former_key(log: AskedLog, alias: str, position: int) -> str:
    """The key that the last alias of an ARN pointed to which ended before a position; "" if there was none."""
    found: str | None = await log.fetchval(FORMER_ALIAS, alias, position)
    return found or ""


async def keys_between(log: AskedLog, first: int, last: int, after: str, limit: int, account: str = "") -> list[str]:
    """The next ids of an account's ("" for every account) keys that existed at some position of a span."""
    return [row["id"] for row in await log.fetch(KEYS_BETWEEN, first, last, after, limit, account or "%")]


async def about(log: AskedLog, position: int, keys: Sequence[str]) -> list[VersionRow]:
    """The aliases and grants that these keys had then."""
    return await log.fetch(ABOUT, position, list(keys))


async def of_accounts(log: AskedLog, position: int, accounts: Sequence[str], kinds: Sequence[str]) -> list[VersionRow]:
    return await log.fetch(OF_ACCOUNTS, position, list(accounts), list(kinds))


async def changes_around(log: AskedLog, keys: Sequence[str], after: int, last: int) -> list[int]:
    """The positions at which one of the keys, its aliases or grants, or any identity or policy changed."""
    return [row["position"] for row in await log.fetch(CHANGES_AROUND, after, last, list(keys))]


async def restore(connection: Any) -> World:
    """The world of the newest versions, from which the projection continues. Reads the schema on the search path."""
    return world_of(await connection.fetch(NOW), "", -1, 0)
