"""Questions to `decisions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from domain.arn import ACCOUNT_ID
from projections.history.arn_holders import HeldArn, columns_of
from projections.log.conditions import QueryConditions
from projections.log.schema import AskedLog, Table

Cursor = tuple[datetime, int, int]
"""(at, origin, record) of the last row returned. The order is total, whatever the clocks said."""


DECISIONS, CASES = Table("decisions", "decisions"), Table("decisions", "cases")
POSITIONS = Table("decisions", "positions")
_WITH_CASE = f"""
SELECT decisions.*, coalesce(cases.document->'reasons', '[]') AS reasons,
    coalesce(cases.document->'resources', '[]') AS resources, cases.document->'materials' AS materials
FROM {DECISIONS} LEFT JOIN (SELECT id, document FROM {CASES}) cases ON cases.id = decisions.case_id
"""


WITH_INPUTS = _WITH_CASE.replace(
    " AS materials",
    """ AS materials,
    cases.document->'session' AS session, coalesce(cases.document->'inputs', '{}') AS inputs""",
)
"""The same, with everything that the evaluator read."""

FIELDS: dict[str, str] = {
    "call_id": "text",
    "account": "text",
    "principal": "text",
    "access_key": "text",
    "operation": "text",
    "effect": "text",
    "kind": "text",
    "rule": "text",
    "decided_by": "text",
    "policy_version": "text",
    "sid": "text",
    "statement": "int",
    "error": "text",
    "message": "text",
    "source": "text",
    "agent": "text",
    "via": "text",
    "event_type": "text",
    "summary": "text",
    "position": "bigint",
    "seen": "bigint",
}
"""Fields by which calls can be found, with the types of their columns."""
OF_A_POLICY = frozenset({"decided_by", "policy_version", "sid", "statement"})
"""Only the account that owns a policy may see its contents. So these fields find calls only in rows that show them."""
OF_THE_CALLER = frozenset({"principal", "access_key", "source", "agent", "via", "message", "summary"})
"""Facts about a caller that only the caller's own account may see. Calls are found and counted only by what their rows show;
otherwise a filter would reveal the rest (domain/authorization/audience.py applies the same rule to a row that is shown)."""
# $1 is the account that asks. If a call is across accounts, its columns have what the resource's policy says, if anything.
OWN = "(owners = ARRAY[$1] OR (account <> $1 AND owners <@ ARRAY[$1, account] AND operation <> 'ReEncrypt'))"
CALLED = "(account = $1 OR owners = ARRAY[$1])"
SERVICES = "principal NOT LIKE 'arn:%'"
ONE_KEY = f"({CALLED} OR operation <> 'ReEncrypt')"
EXPRESSIONS: dict[str, str] = {
    **{
        name: name
        for name in FIELDS
        if name not in OF_A_POLICY | OF_THE_CALLER | {"call_id", "message", "position", "seen", "summary"}
    },
    **{name: f"CASE WHEN {OWN} THEN {name} END" for name in OF_A_POLICY},
    **{name: f"CASE WHEN {CALLED} THEN {name} END" for name in OF_THE_CALLER - {"principal", "message", "summary"}},
    "principal": f"CASE WHEN {CALLED} OR {SERVICES} THEN principal ELSE account END",
    "key": f"CASE WHEN {ONE_KEY} THEN key_id END",
    "hour": "date_trunc('hour', at)",
    "day": "date_trunc('day', at)",
}
"""The fields by which calls can be counted, as SQL."""
TIMES = ("hour", "day")


@dataclass(frozen=True, slots=True)
class CallFilters:
    """Selects rows; a member that is None does not narrow the selection. `changes_only`: only rows of `events`, a key's history.
    `fields`: values of FIELDS, text with `*` for any characters. `pair`: a name and value of the encryption context."""

    key: str | None = None
    about: str | None = None
    """The ARN of what was changed."""
    earlier: Sequence[str] = ()
    """With `about`: its other ARNs, under which attempts to change it were refused."""
    positions: Sequence[int] = ()
    """With `about`: positions of further changes that concern it."""
    since: datetime | None = None
    until: datetime | None = None
    changes_only: bool = False
    fields: Mapping[str, str | int] = field(default_factory=dict)
    pair: tuple[str, str] | None = None
    without_error: str | None = None
    """Leaves out calls that were refused with this error."""
    key_arn: str = ""
    """With `key`: its ARN, by which calls name it that concern two keys."""
    callers: Sequence[HeldArn] = ()
    """Every ARN under which one principal called. None of them: calls of all principals."""


def _where(account: str, filters: CallFilters) -> QueryConditions:
    """Of the calls that an account may see, those that the filters leave."""
    found = _of_every_key_and_caller(account, filters)
    if filters.key is not None:
        found.add(f"({' OR '.join(_of_key(found, filters))})")
    if filters.callers:
        _, arns, first, until = columns_of(filters.callers)
        found.add("principal = ANY({})", arns)  # by an index: EXISTS alone is put to every row
        found.add(
            f"EXISTS (SELECT FROM unnest({_HELD}) AS held (arn, first, until) WHERE {_UNDER})", arns, first, until
        )
    return found


_HELD = "{}::text[], {}::bigint[], {}::bigint[]"
_UNDER = "principal = held.arn AND seen >= held.first AND seen < held.until"


def _of_key(found: QueryConditions, filters: CallFilters) -> tuple[str, str]:
    """Conditions for calls that concern a key first, and for those that concern it second."""
    id, arn = found.place(filters.key), found.place(filters.key_arn)
    second = f"({CALLED} OR split_part(destination, ':', 5) = $1)"
    return f"key_id = {id} AND {ONE_KEY}", f"destination = {arn} AND key_id IS DISTINCT FROM {id} AND {second}"


def _of_every_key_and_caller(account: str, filters: CallFilters) -> QueryConditions:
    found = QueryConditions(account)
    found.add("$1 = ANY(owners)")
    for condition, value in (
        ("at >= {}", filters.since),
        ("at < {}", filters.until),
    ):
        if value is not None:
            found.add(condition, value)
    if filters.about is not None:
        earlier = "(effect = 'refused' AND about = ANY({}))"
        found.add(
            f"(about = {{}} OR position = ANY({{}}) OR {earlier})",
            filters.about,
            list(filters.positions),
            list(filters.earlier),
        )
    for name, wanted in filters.fields.items():
        _add_field(found, name, wanted)
    if filters.pair is not None:
        found.add(ONE_KEY)
        found.add("encryption_context @> {}::jsonb", orjson.dumps(dict([filters.pair])).decode())
    if filters.without_error is not None:
        found.add("error IS DISTINCT FROM {}", filters.without_error)
    if filters.changes_only:
        found.add("position IS NOT NULL")
    if filters.callers:
        found.add(f"({CALLED} OR {SERVICES})")
    return found


def _add_field(found: QueryConditions, name: str, value: str | int) -> None:
    assert name in FIELDS, "only a column's name becomes part of a query"
    if name == "principal" and isinstance(value, str) and ACCOUNT_ID.fullmatch(value):
        found.add(f"account = {{}} AND NOT ({CALLED} OR {SERVICES})", value)
        return
    if name in OF_THE_CALLER:
        found.add(f"({CALLED} OR {SERVICES})" if name == "principal" else CALLED)
    if isinstance(value, str):
        found.add_text(name, value)
    else:
        found.add(f"{name} = {{}}", value)
    if name in OF_A_POLICY:
        found.add(OWN)


async def page(
    log: AskedLog,
    account: str,
    filters: CallFilters,
    after: Cursor | None,
    limit: int,
    *,
    inputs: bool = False,
    newest_first: bool = False,
) -> list[Any]:
    """The next calls that concern an account, by default the oldest first. Indexes: decisions_key, decisions_history,
    decisions_about, decisions_principal, decisions_at."""
    where = _of_every_key_and_caller(account, filters)
    beyond, order = ("<", " DESC") if newest_first else (">", "")
    if after is not None:
        where.add(f"(at, origin, record) {beyond} ({{}}, {{}}, {{}})", *after)
    first = f"ORDER BY at{order}, origin{order}, record{order} LIMIT {where.place(limit)}"
    rows = _first_rows(where, filters, first)
    with_case = WITH_INPUTS if inputs else _WITH_CASE
    return await log.fetch(f"{with_case.replace(str(DECISIONS), f'({rows}) AS decisions', 1)} {first}", *where.values)


def _first_rows(where: QueryConditions, filters: CallFilters, first: str) -> str:
    """The first rows that the filters leave, and more. With one condition for several keys or callers, Postgres sorts every call;
    so it takes the first of each, by an index in their order."""
    if not filters.callers:
        keys = [f" AND {each}" for each in _of_key(where, filters)] if filters.key is not None else [""]
        return " UNION ALL ".join(f"(SELECT * FROM {DECISIONS} WHERE {where}{key} {first})" for key in keys)
    if filters.key is not None:
        where.add(f"({' OR '.join(_of_key(where, filters))})")
    held = _HELD.format(*(where.place(each) for each in columns_of(filters.callers)[1:]))
    of_each = f"SELECT * FROM {DECISIONS} WHERE {where} AND {_UNDER} {first}"
    return f"SELECT found.* FROM unnest({held}) AS held (arn, first, until), LATERAL ({of_each}) AS found"


async def places(log: AskedLog, account: str, filters: CallFilters, limit: int) -> list[Cursor]:
    """Where the records of the calls stand that concern an account: the first `limit` of them, in the order of time. Indexes:
    as `page`, and decisions_destination."""
    where = _where(account, filters)
    where.add("TRUE ORDER BY at, origin, record LIMIT {}", limit)
    rows = await log.fetch(f"SELECT at, origin, record FROM {DECISIONS} WHERE {where}", *where.values)
    return [(row["at"], row["origin"], row["record"]) for row in rows]


AT_PLACES = f"""{_WITH_CASE} JOIN unnest($2::timestamptz[], $3::smallint[], $4::bigint[]) AS asked(at, origin, record)
    ON decisions.at = asked.at AND decisions.origin = asked.origin AND decisions.record = asked.record
    WHERE $1 = ANY(owners) ORDER BY decisions.at, decisions.origin, decisions.record"""


async def at_places(log: AskedLog, account: str, asked: Sequence[Cursor]) -> list[Any]:
    """The calls at these places that concern an account. Index: decisions_at."""
    times, origins, records = [list(each) for each in zip(*asked, strict=True)] or ([], [], [])
    return await log.fetch(AT_PLACES, account, times, origins, records)


# index: decisions_call
ONE = f"{WITH_INPUTS} WHERE call_id = $2 AND $1 = ANY(owners) ORDER BY at LIMIT 1"


async def one(log: AskedLog, account: str, call: str) -> Any | None:
    """The call with this id, if it concerned the account."""
    return await log.fetchrow(ONE, account, call)


# index: decisions_key
NAMES_KEY = f"SELECT EXISTS (SELECT 1 FROM {DECISIONS} WHERE key_id = $1)"
# indexes: cases_key, decisions_history. What other accounts do with the key is not read: the time that the answer takes would
# tell how much that is.
NAMES_KEY_TO = f"""
SELECT EXISTS (SELECT 1 FROM {CASES} WHERE key_id = $1 AND account = $2)
    OR EXISTS (SELECT 1 FROM {DECISIONS} WHERE key_id = $1 AND position IS NOT NULL AND owners = ARRAY[$2])
"""


async def names_key(log: AskedLog, account: str, key_id: str) -> bool:
    """Whether a call that an account ("" for everybody) may see concerned a key with this id."""
    if not account:
        return bool(await log.fetchval(NAMES_KEY, key_id))
    return bool(await log.fetchval(NAMES_KEY_TO, key_id, account))


async def has_operation(log: AskedLog, operation: str) -> bool:
    """Whether there is a call of this operation. Reads calls until it finds one."""
    query = f"SELECT EXISTS (SELECT 1 FROM {DECISIONS} WHERE operation = $1)"
    return bool(await log.fetchval(query, operation))


async def called(log: AskedLog, principal: str) -> bool:
    """Whether a principal ever made a call. Index: decisions_principal."""
    query = f"SELECT EXISTS (SELECT 1 FROM {DECISIONS} WHERE principal = $1)"
    return bool(await log.fetchval(query, principal))


# index: decisions_principal, from each name to the next
CALLERS = f"""
WITH RECURSIVE callers AS (
    (SELECT principal FROM {DECISIONS} ORDER BY principal LIMIT 1)
    UNION ALL
    SELECT (SELECT principal FROM {DECISIONS} WHERE principal > callers.principal ORDER BY principal LIMIT 1)
    FROM callers WHERE callers.principal IS NOT NULL
)
SELECT principal FROM callers WHERE principal IS NOT NULL LIMIT $1
"""


async def callers(log: AskedLog, account: str, limit: int) -> list[str]:
    """The principals of an account ("" for any) and the services that made calls, among the first `limit` names."""
    names = [row["principal"] for row in await log.fetch(CALLERS, limit)]
    return [name for name in names if not account or f"::{account}:" in name or not name.startswith("arn:")]


async def counts(log: AskedLog, account: str, filters: CallFilters, by: Sequence[str], limit: int) -> list[Any]:
    """How many calls there were of each kind, how many were refused, the first and the last; the most frequent kind first.
    Counted by time, the latest first: a limit then takes the oldest away, and not the quietest from among the others.

    `by`: names from EXPRESSIONS. Reads every row that the filters leave."""
    where = _where(account, filters)
    columns = ", ".join(f"{EXPRESSIONS[name]} AS {name}" for name in by)
    numbers = ", ".join(str(place) for place in range(1, len(by) + 1))
    times = "".join(f"{by.index(name) + 1} DESC, " for name in TIMES if name in by)
    where.add(f"TRUE GROUP BY {numbers} ORDER BY {times}calls DESC, {numbers} LIMIT {{}}", limit)
    query = f"""SELECT {columns}, count(*) AS calls, count(*) FILTER (WHERE effect = 'refused') AS refused,
        min(at) AS first, max(at) AS last FROM {DECISIONS} WHERE {where}"""
    return await log.fetch(query, *where.values)


CASES_NAMED = f"SELECT id, document FROM {CASES} WHERE id = ANY($1)"


async def cases(log: AskedLog, names: Sequence[bytes]) -> dict[bytes, str]:
    """The documents of cases, by name. Index: cases_pkey."""
    return {row["id"]: row["document"] for row in await log.fetch(CASES_NAMED, list(names))}


# index: decisions_position
EVENTS_PAGE = f"{_WITH_CASE} WHERE position > $2 AND $1 = ANY(owners) ORDER BY position LIMIT $3"


async def events(log: AskedLog, account: str, after: int, limit: int) -> list[Any]:
    """The next records of the log that concern an account, after a position."""
    return await log.fetch(EVENTS_PAGE, account, after, limit)


# index: decisions_position
NAMING = f"""
SELECT position FROM {DECISIONS} WHERE position = ANY($1)
    AND EXISTS (SELECT FROM unnest($2::text[]) AS name WHERE strpos(event::text, '"' || name || '"') > 0)
"""


async def naming(log: AskedLog, positions: Sequence[int], names: Sequence[str]) -> list[int]:
    """The positions whose event contains one of the names."""
    return [row["position"] for row in await log.fetch(NAMING, list(positions), list(names))]


async def moment_of(log: AskedLog, position: int) -> datetime | None:
    """When the record at a position was decided. Index: decisions_position."""
    found: datetime | None = await log.fetchval(f"SELECT at FROM {DECISIONS} WHERE position = $1", position)
    return found


async def moment_from(log: AskedLog, position: int) -> datetime | None:
    """When the first record at a position or after it was decided. Index: decisions_position."""
    query = f"SELECT at FROM {DECISIONS} WHERE position >= $1 ORDER BY position LIMIT 1"
    found: datetime | None = await log.fetchval(query, position)
    return found


# indexes: cases_key, cases_destination
ASKED_WITH = f"""
SELECT split_part(destination, ':key/', 2) AS key FROM {CASES} WHERE key_id = $1 AND destination IS NOT NULL
UNION SELECT key_id FROM {CASES} WHERE destination = $2 AND key_id IS NOT NULL
"""


async def asked_with(log: AskedLog, key_id: str, arn: str) -> list[str]:
    """The keys that any call concerned together with this one."""
    return [row["key"] for row in await log.fetch(ASKED_WITH, key_id, arn) if row["key"] != key_id]


async def reached(log: AskedLog) -> int:
    """The position of `events` up to which decisions are written; -1 before the first record."""
    found: int | None = await log.fetchval(f"SELECT next - 1 FROM {POSITIONS} WHERE topic = 'events'")
    return -1 if found is None else found


async def reached_by_partition(log: AskedLog) -> dict[int, int]:
    """The next offset of each partition of `decisions`."""
    rows = await log.fetch(f"SELECT partition, next FROM {POSITIONS} WHERE topic = 'decisions'")
    return {row["partition"]: row["next"] for row in rows}


_OF_OWNERS = "at >= $1 AND at < $2 AND case_id IS NOT NULL AND ($3::text[] IS NULL OR owners && $3)"


async def calls_between(log: AskedLog, since: datetime, until: datetime, owners: Sequence[str] | None) -> Any:
    """A cursor, in the order of time, over the calls of a period that any of these accounts may see, or over all calls (None).
    Index: decisions_at."""
    query = f"""SELECT at, origin, record, call_id, source, case_id FROM {DECISIONS}
        WHERE {_OF_OWNERS} ORDER BY at, origin, record"""
    return await log.cursor(query, since, until, owners)


async def calls_counted(log: AskedLog, since: datetime, until: datetime, owners: Sequence[str] | None) -> int:
    """How many calls `calls_between` returns. Index: decisions_at."""
    count: int = await log.fetchval(f"SELECT count(*) FROM {DECISIONS} WHERE {_OF_OWNERS}", since, until, owners)
    return count
