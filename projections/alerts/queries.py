"""Questions to `alerts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from projections.log.conditions import QueryConditions
from projections.log.schema import AskedLog, Table

ALERTS, MARKS = Table("alerts", "alerts"), Table("alerts", "marks")
POSITIONS = Table("alerts", "positions")
COLUMNS = """
a.id, a.number, a.at, a.rule, a.severity, a.account, a.key_id, a.subject, a.about, a.title, a.summary, a.suppressed,
a.source, coalesce(m.state, 'open') AS state, m.at AS marked_at, m.principal AS marked_by, m.note
"""
_FROM = f"""
FROM {ALERTS} a LEFT JOIN LATERAL (
    SELECT state, at, principal, note FROM {MARKS} WHERE alert = a.id ORDER BY position DESC LIMIT 1
) m ON true
"""


@dataclass(frozen=True, slots=True)
class AlertFilters:
    """Selects alerts; a member that is None does not narrow the selection. `accounts`: the alerts of these accounts; None for
    every account's. `suppressed`: also alerts that the allow list suppresses."""

    accounts: Sequence[str] | None
    state: str | None = None
    rule: str | None = None
    rank: int = 0
    key: str | None = None
    about: str | None = None
    suppressed: bool = False
    since: datetime | None = None
    until: datetime | None = None


def _where(filters: AlertFilters, *values: Any) -> QueryConditions:
    """`values` are for the placeholders before the conditions."""
    found = QueryConditions(*values)
    found.add("a.rank >= {}", filters.rank)
    for condition, value in (
        ("a.account = ANY({})", None if filters.accounts is None else list(filters.accounts)),
        ("coalesce(m.state, 'open') = {}", filters.state),
        ("a.rule = {}", filters.rule),
        ("a.key_id = {}", filters.key),
        ("{} = ANY(a.about)", filters.about),
        ("a.at >= {}", filters.since),
        ("a.at < {}", filters.until),
    ):
        if value is not None:
            found.add(condition, value)
    if not filters.suppressed:
        found.add("a.suppressed IS NULL")
    return found


async def page(log: AskedLog, filters: AlertFilters, before: int, limit: int) -> list[Any]:
    """The alerts raised before a number, newest first. Indexes: alerts_account, alerts_key, alerts_number."""
    where = _where(filters, before, limit)
    query = f"SELECT {COLUMNS} {_FROM} WHERE a.number < $1 AND {where} ORDER BY a.number DESC LIMIT $2"
    return await log.fetch(query, *where.values)


async def after(log: AskedLog, filters: AlertFilters, number: int, limit: int) -> list[Any]:
    """The alerts raised after a number, oldest first, for a client that follows. Index: alerts_number."""
    where = _where(filters, number, limit)
    query = f"SELECT {COLUMNS}, a.evidence {_FROM} WHERE a.number > $1 AND {where} ORDER BY a.number LIMIT $2"
    return await log.fetch(query, *where.values)


async def newest(log: AskedLog) -> int:
    """The number of the newest alert, -1 if there is none. Index: alerts_number."""
    found: int | None = await log.fetchval(f"SELECT max(number) FROM {ALERTS}")
    return -1 if found is None else found


async def newest_of(log: AskedLog, accounts: Sequence[str], most: int = 2**63 - 1) -> int:
    """The number of the newest alert of these accounts, up to a number; -1 if there is none. Index: alerts_account."""
    # For each account by itself: over several at once, Postgres would read every alert of theirs.
    found: int | None = await log.fetchval(
        f"SELECT max(number) FROM unnest($1::text[]) AS their(account), LATERAL (SELECT number FROM {ALERTS} a "
        "WHERE a.account = their.account AND a.number <= $2 ORDER BY a.number DESC LIMIT 1) AS newest",
        list(accounts), most,
    )  # fmt: skip
    return -1 if found is None else found


async def numbers(log: AskedLog, ids: Sequence[str]) -> dict[str, int]:
    """By id, the number under which each of these alerts was first raised. Index: alerts_pkey."""
    rows = await log.fetch(f"SELECT id, number FROM {ALERTS} WHERE id = ANY($1::text[])", list(ids))
    return {row["id"]: row["number"] for row in rows}


async def one(log: AskedLog, id: str) -> Any | None:
    """The alert with this id. Index: alerts_pkey."""
    return await log.fetchrow(f"SELECT {COLUMNS}, a.evidence {_FROM} WHERE a.id = $1", id)


async def raised(log: AskedLog, ids: Sequence[str]) -> set[str]:
    """Which of these alerts were raised. Index: alerts_pkey."""
    return set(await numbers(log, ids))


async def marks(log: AskedLog, id: str) -> list[Any]:
    """Everything that was done about an alert, oldest first. Index: marks_alert."""
    query = f"SELECT position, at, state, note, principal, call_id FROM {MARKS} WHERE alert = $1 ORDER BY position"
    return await log.fetch(query, id)


async def reached(log: AskedLog) -> int:
    """The next offset of the topic of alerts. Index: positions_pkey."""
    return int(await log.fetchval(f"SELECT coalesce(max(next), 0) FROM {POSITIONS} WHERE topic = 'alerts'"))
