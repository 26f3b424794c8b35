"""Questions to `decisions`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

Cursor = tuple[datetime, int, int]
"""(at, origin, record) of the last row given: the order is total, whatever the clocks said."""


_WITH_CASE = """
SELECT decisions.*, coalesce(cases.document->'reasons', '[]') AS reasons,
    coalesce(cases.document->'resources', '[]') AS resources, cases.document->'materials' AS materials
FROM p_decisions.decisions LEFT JOIN (SELECT id, document FROM p_decisions.cases) cases ON cases.id = decisions.case_id
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a row must be; None: anything. `changes_only`: rows of `events` alone, a key's history."""

    key: str | None = None
    about: str | None = None
    """What a change was made to, by ARN."""
    principal: str | None = None
    operation: str | None = None
    effect: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    changes_only: bool = False


async def page(pool: Any, account: str, filters: Filters, after: Cursor | None, limit: int) -> list[Any]:
    """The next calls that concern an account, oldest first. Indexes: decisions_key, decisions_about,
    decisions_principal, decisions_at."""
    conditions, values = ["$1 = ANY(owners)"], [account]

    def add(condition: str, *given: Any) -> None:
        numbers = [f"${len(values) + place}" for place in range(1, len(given) + 1)]
        conditions.append(condition.format(*numbers))
        values.extend(given)

    for condition, value in (
        ("key_id = {}", filters.key),
        ("about = {}", filters.about),
        ("principal = {}", filters.principal),
        ("operation = {}", filters.operation),
        ("effect = {}", filters.effect),
        ("at >= {}", filters.since),
        ("at < {}", filters.until),
    ):
        if value is not None:
            add(condition, value)
    if filters.changes_only:
        conditions.append("position IS NOT NULL")
    if after is not None:
        add("(at, origin, record) > ({}, {}, {})", *after)
    add("TRUE ORDER BY at, origin, record LIMIT {}", limit)
    # Only the fixed conditions above are joined; every value is a parameter.
    return list(await pool.fetch(f"{_WITH_CASE} WHERE {' AND '.join(conditions)}", *values))


# index: decisions_position
EVENTS_PAGE = f"{_WITH_CASE} WHERE position > $2 AND $1 = ANY(owners) ORDER BY position LIMIT $3"


async def events(pool: Any, account: str, after: int, limit: int) -> list[Any]:
    """The next records of the log that concern an account, after a position."""
    return list(await pool.fetch(EVENTS_PAGE, account, after, limit))


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


USES = (
    "Encrypt",
    "Decrypt",
    "ReEncrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "Sign",
    "Verify",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
)
"""The operations that use a key (API reference, GetKeyLastUsage, KeyLastUsageTrackingOperation)."""
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
