"""Questions to `decisions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from domain.arn import ACCOUNT_ID
from domain.crypto.uses import USES

Cursor = tuple[datetime, int, int]
"""(at, origin, record) of the last row given: the order is total, whatever the clocks said."""


_WITH_CASE = """
SELECT decisions.*, coalesce(cases.document->'reasons', '[]') AS reasons,
    coalesce(cases.document->'resources', '[]') AS resources, cases.document->'materials' AS materials
FROM p_decisions.decisions LEFT JOIN (SELECT id, document FROM p_decisions.cases) cases ON cases.id = decisions.case_id
"""


WITH_INPUTS = _WITH_CASE.replace(
    " AS materials",
    """ AS materials,
    cases.document->'session' AS session, coalesce(cases.document->'inputs', '{}') AS inputs""",
)
"""The same with everything that the evaluator read."""

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
"""Fields that a call can be asked for by a value, with the type of their column."""
OF_A_POLICY = frozenset({"decided_by", "policy_version", "sid", "statement"})
"""What a policy says is for the account whose policy it is: calls are found by it in the rows that show it alone."""
OF_THE_CALLER = frozenset({"principal", "access_key", "source", "agent", "via", "message", "summary"})
"""What is told of a caller to its own account alone. Calls are found and counted by what is told of them, else a filter would
tell the rest (domain/authorization/audience.py says the same of a row that is shown)."""
# $1 is the account that asks. The columns of a call across accounts say what the resource's policy says, if anything.
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
"""What calls can be counted by."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a row must be; None: anything. `changes_only`: rows of `events` alone, a key's history. `fields`: values of
    FIELDS, text with `*` for any characters. `pair`: a name and value of the encryption context."""

    key: str | None = None
    about: str | None = None
    """What a change was made to, by ARN."""
    earlier: Sequence[str] = ()
    """With `about`: its other ARNs, under which attempts to change it were refused."""
    positions: Sequence[int] = ()
    """With `about`: positions of changes that concern it beside those."""
    since: datetime | None = None
    until: datetime | None = None
    changes_only: bool = False
    fields: Mapping[str, str | int] = field(default_factory=dict)
    pair: tuple[str, str] | None = None


class _Where:
    """Conditions that are joined by AND; every value is a parameter."""

    def __init__(self, account: str, filters: Filters) -> None:
        self.values: list[Any] = [account]
        self._conditions = ["$1 = ANY(owners)"]
        for condition, value in (
            ("key_id = {}", filters.key),
            ("at >= {}", filters.since),
            ("at < {}", filters.until),
        ):
            if value is not None:
                self.add(condition, value)
        if filters.about is not None:
            earlier = "(effect = 'refused' AND about = ANY({}))"
            self.add(
                f"(about = {{}} OR position = ANY({{}}) OR {earlier})",
                filters.about,
                list(filters.positions),
                list(filters.earlier),
            )
        for name, wanted in filters.fields.items():
            self._field(name, wanted)
        if filters.key is not None:
            self._conditions.append(ONE_KEY)
        if filters.pair is not None:
            self._conditions.append(ONE_KEY)
            self.add("encryption_context @> {}::jsonb", orjson.dumps(dict([filters.pair])).decode())
        if filters.changes_only:
            self._conditions.append("position IS NOT NULL")

    def _field(self, name: str, value: str | int) -> None:
        assert name in FIELDS, "only a column's name becomes part of a query"
        if name == "principal" and isinstance(value, str) and ACCOUNT_ID.fullmatch(value):
            self.add(f"account = {{}} AND NOT ({CALLED} OR {SERVICES})", value)
            return
        if name in OF_THE_CALLER:
            self._conditions.append(f"({CALLED} OR {SERVICES})" if name == "principal" else CALLED)
        if isinstance(value, str) and "*" in value:
            escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
            self.add(f"{name} LIKE {{}}", escaped)
        else:
            self.add(f"{name} = {{}}", value)
        if name in OF_A_POLICY:
            self._conditions.append(OWN)

    def add(self, condition: str, *given: Any) -> None:
        numbers = [f"${len(self.values) + place}" for place in range(1, len(given) + 1)]
        self._conditions.append(condition.format(*numbers))
        self.values.extend(given)

    def __str__(self) -> str:
        return " AND ".join(self._conditions)


async def page(
    pool: Any,
    account: str,
    filters: Filters,
    after: Cursor | None,
    limit: int,
    *,
    inputs: bool = False,
    newest_first: bool = False,
) -> list[Any]:
    """The next calls that concern an account, oldest first unless said otherwise. Indexes: decisions_key, decisions_about,
    decisions_principal, decisions_at."""
    where = _Where(account, filters)
    beyond, order = ("<", " DESC") if newest_first else (">", "")
    if after is not None:
        where.add(f"(at, origin, record) {beyond} ({{}}, {{}}, {{}})", *after)
    where.add(f"TRUE ORDER BY at{order}, origin{order}, record{order} LIMIT {{}}", limit)
    return list(await pool.fetch(f"{WITH_INPUTS if inputs else _WITH_CASE} WHERE {where}", *where.values))


# index: decisions_call
ONE = f"{WITH_INPUTS} WHERE call_id = $2 AND $1 = ANY(owners) ORDER BY at LIMIT 1"


async def one(pool: Any, account: str, call: str) -> Any | None:
    """The call of this id, where it concerned the account."""
    return await pool.fetchrow(ONE, account, call)


async def names_key(pool: Any, account: str, key_id: str) -> bool:
    """Whether some call that an account ("" for everybody) is told of concerned a key of this id. Index: decisions_key."""
    query = """SELECT EXISTS (SELECT 1 FROM p_decisions.decisions
        WHERE key_id = $1 AND ($2 = '' OR account = $2 OR owners = ARRAY[$2]))"""
    return bool(await pool.fetchval(query, key_id, account))


async def has_operation(pool: Any, operation: str) -> bool:
    """Whether some call was of this operation. Reads calls until it has found one."""
    query = "SELECT EXISTS (SELECT 1 FROM p_decisions.decisions WHERE operation = $1)"
    return bool(await pool.fetchval(query, operation))


async def called(pool: Any, principal: str) -> bool:
    """Whether a principal ever called. Index: decisions_principal."""
    query = "SELECT EXISTS (SELECT 1 FROM p_decisions.decisions WHERE principal = $1)"
    return bool(await pool.fetchval(query, principal))


# index: decisions_principal, from each name to the next
CALLERS = """
WITH RECURSIVE callers AS (
    (SELECT principal FROM p_decisions.decisions ORDER BY principal LIMIT 1)
    UNION ALL
    SELECT (SELECT principal FROM p_decisions.decisions WHERE principal > callers.principal ORDER BY principal LIMIT 1)
    FROM callers WHERE callers.principal IS NOT NULL
)
SELECT principal FROM callers WHERE principal IS NOT NULL LIMIT $1
"""


async def callers(pool: Any, account: str, limit: int) -> list[str]:
    """Who called, of an account ("" for any) and services: of the first so many names."""
    names = [row["principal"] for row in await pool.fetch(CALLERS, limit)]
    return [name for name in names if not account or f"::{account}:" in name or not name.startswith("arn:")]


async def counts(pool: Any, account: str, filters: Filters, by: Sequence[str], limit: int) -> list[Any]:
    """How many calls there were of each kind, how many of them were refused, the first and the last; most first. `by` are
    names of EXPRESSIONS. Reads every row that the filters leave."""
    where = _Where(account, filters)
    columns = ", ".join(f"{EXPRESSIONS[name]} AS {name}" for name in by)
    numbers = ", ".join(str(place) for place in range(1, len(by) + 1))
    where.add(f"TRUE GROUP BY {numbers} ORDER BY calls DESC, {numbers} LIMIT {{}}", limit)
    query = f"""SELECT {columns}, count(*) AS calls, count(*) FILTER (WHERE effect = 'refused') AS refused,
        min(at) AS first, max(at) AS last FROM p_decisions.decisions WHERE {where}"""
    return list(await pool.fetch(query, *where.values))


# indexes: decisions_key, decisions_destination
LAST_USES = """
SELECT operation, count(*) AS calls, max(at) AS last, (array_agg(account ORDER BY at DESC))[1] AS account,
    (array_agg(principal ORDER BY at DESC))[1] AS principal, (array_agg(call_id ORDER BY at DESC))[1] AS call_id
FROM p_decisions.decisions
WHERE (key_id = $1 OR destination = $2) AND effect = 'allowed' AND operation = ANY($3)
GROUP BY operation ORDER BY last DESC
"""


# Of a trail alone, which is read through.
DESTINATION = """
SELECT destination FROM p_decisions.decisions WHERE split_part(destination, ':key/', 2) = split_part($1, '@', 1)
    AND split_part($1, '@', 2) IN ('', split_part(destination, ':', 4)) LIMIT 1
"""


async def destination(pool: Any, key_id: str) -> str:
    """The ARN by which a trail's ReEncrypt names a key as the one to encrypt with; "" where none does."""
    return str(await pool.fetchval(DESTINATION, key_id) or "")


async def last_uses(pool: Any, key_id: str, arn: str) -> list[Any]:
    """Of each operation that used a key: how often it did, and the last time and who."""
    return list(await pool.fetch(LAST_USES, key_id, arn, USES))


# index: decisions_key
LET_IN = """
SELECT case_id, count(*) AS calls, max(at) AS last FROM p_decisions.decisions
WHERE {whose} AND at >= $2 AND at < $4 AND effect = 'allowed' AND case_id IS NOT NULL GROUP BY case_id
"""
CASES = "SELECT id, document FROM p_decisions.cases WHERE id = ANY($1)"


async def let_in_with(pool: Any, key_id: str, arn: str, since: datetime, until: datetime) -> list[Any]:
    """The cases of calls that a key's policy or grants let in within a time. Indexes: decisions_key, decisions_destination."""
    return list(await pool.fetch(LET_IN.format(whose="(key_id = $1 OR destination = $3)"), key_id, since, arn, until))


async def let_in_of(pool: Any, principal: str, session: str, since: datetime, until: datetime) -> list[Any]:
    """The cases of a principal's calls, a role's by all of its sessions. Index: cases_principal."""
    whose = "case_id IN (SELECT id FROM p_decisions.cases WHERE principal = $1 OR starts_with(principal, $3))"
    return list(await pool.fetch(LET_IN.format(whose=whose), principal, since, session, until))


async def cases(pool: Any, names: Sequence[bytes]) -> dict[bytes, str]:
    """Documents of cases by their names. Index: cases_pkey."""
    return {row["id"]: row["document"] for row in await pool.fetch(CASES, list(names))}


# index: decisions_position
EVENTS_PAGE = f"{_WITH_CASE} WHERE position > $2 AND $1 = ANY(owners) ORDER BY position LIMIT $3"


async def events(pool: Any, account: str, after: int, limit: int) -> list[Any]:
    """The next records of the log that concern an account, after a position."""
    return list(await pool.fetch(EVENTS_PAGE, account, after, limit))


# index: decisions_position
NAMING = """
SELECT position FROM p_decisions.decisions WHERE position = ANY($1)
    AND EXISTS (SELECT FROM unnest($2::text[]) AS name WHERE strpos(event::text, '"' || name || '"') > 0)
"""


async def naming(pool: Any, positions: Sequence[int], names: Sequence[str]) -> list[int]:
    """Those of the positions whose event has one of the names."""
    return [row["position"] for row in await pool.fetch(NAMING, list(positions), list(names))]


async def moment_of(pool: Any, position: int) -> datetime | None:
    """When the record at a position was decided. Index: decisions_position."""
    found: datetime | None = await pool.fetchval("SELECT at FROM p_decisions.decisions WHERE position = $1", position)
    return found


# indexes: cases_key, cases_destination
ASKED_WITH = """
SELECT split_part(destination, ':key/', 2) AS key FROM p_decisions.cases WHERE key_id = $1 AND destination IS NOT NULL
UNION SELECT key_id FROM p_decisions.cases WHERE destination = $2 AND key_id IS NOT NULL
"""


async def asked_with(connection: Any, key_id: str, arn: str) -> list[str]:
    """The keys that some call concerned together with this one."""
    return [row["key"] for row in await connection.fetch(ASKED_WITH, key_id, arn) if row["key"] != key_id]


# indexes: decisions_key, and decisions_destination for the key that ReEncrypt encrypts with
LAST_USE = """
SELECT operation, at, call_id FROM (
    (SELECT operation, at, call_id FROM p_decisions.decisions
     WHERE key_id = $1 AND effect = 'allowed' AND operation = ANY($3) ORDER BY at DESC LIMIT 1)
    UNION ALL
    (SELECT operation, at, call_id FROM p_decisions.decisions
     WHERE destination = $2 AND effect = 'allowed' ORDER BY at DESC LIMIT 1)
) uses ORDER BY at DESC LIMIT 1
"""


async def last_use(pool: Any, key_id: str, arn: str) -> Any | None:
    """The last call that used a key."""
    return await pool.fetchrow(LAST_USE, key_id, arn, USES)


# index: decisions_principal
LAST_USES_OF_ACCESS_KEYS = """
SELECT asked.access_key, last.operation, last.at, last.call_id
FROM unnest($1::text[], $2::text[]) AS asked (principal, access_key), LATERAL (
    SELECT operation, at, call_id FROM p_decisions.decisions
    WHERE principal = asked.principal AND access_key = asked.access_key ORDER BY at DESC LIMIT 1
) last
"""


async def last_uses_of_access_keys(pool: Any, access_keys: Sequence[tuple[str, str]]) -> list[Any]:
    """The last call with each access key; `access_keys` are (ARN of whose it is, id)."""
    principals, names = [arn for arn, _ in access_keys], [name for _, name in access_keys]
    return list(await pool.fetch(LAST_USES_OF_ACCESS_KEYS, principals, names))


# indexes: decisions_principal, cases_principal
ACCESSES = """
SELECT operation, principal, max(at) AS at FROM p_decisions.decisions
WHERE account = $1 AND at >= $4 AND principal IN (
    SELECT unnest($2::text[])
    UNION SELECT DISTINCT principal FROM p_decisions.cases
    WHERE account = $1 AND EXISTS (SELECT FROM unnest($3::text[]) AS role WHERE starts_with(principal, role))
) GROUP BY operation, principal
"""


async def accesses(
    pool: Any, account: str, principals: Sequence[str], sessions: Sequence[str], since: datetime
) -> list[Any]:
    """The last call of each operation by each principal since a time; `sessions` are beginnings of sessions' ARNs."""
    return list(await pool.fetch(ACCESSES, account, list(principals), list(sessions), since))


# indexes: decisions_key, and decisions_destination for the key that ReEncrypt encrypts with
USED_BEFORE = """
SELECT greatest(
    (SELECT max(at) FROM p_decisions.decisions
     WHERE key_id = $1 AND effect = 'allowed' AND operation = ANY($3) AND at < $4),
    (SELECT max(at) FROM p_decisions.decisions WHERE destination = $2 AND effect = 'allowed' AND at < $4)
)
"""


async def used_before(pool: Any, key_id: str, arn: str, at: datetime) -> datetime | None:
    """When a key was used last before a time."""
    found: datetime | None = await pool.fetchval(USED_BEFORE, key_id, arn, USES, at)
    return found
