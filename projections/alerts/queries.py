"""Questions to `alerts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

COLUMNS = """
a.id, a.number, a.at, a.rule, a.severity, a.account, a.key_id, a.subject, a.about, a.title, a.summary, a.suppressed,
a.source, coalesce(m.state, 'open') AS state, m.at AS marked_at, m.principal AS marked_by, m.note
"""
_FROM = """
FROM p_alerts.alerts a LEFT JOIN LATERAL (
    SELECT state, at, principal, note FROM p_alerts.marks WHERE alert = a.id ORDER BY position DESC LIMIT 1
) m ON true
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """`accounts` are those whose alerts are given, None for everybody's; what is None is not asked. `suppressed`: with
    those that are allowed."""

    accounts: Sequence[str] | None
    state: str | None = None
    rule: str | None = None
    rank: int = 0
    key: str | None = None
    about: str | None = None
    suppressed: bool = False
    since: datetime | None = None
    until: datetime | None = None


def _where(filters: Filters, first: int) -> tuple[str, list[Any]]:
    """Conditions with their values; placeholders begin with `first`."""
    asked: list[tuple[str, Any]] = [("a.rank >= ${}", filters.rank)]
    if filters.accounts is not None:
        asked.append(("a.account = ANY(${})", list(filters.accounts)))
    if filters.state is not None:
        asked.append(("coalesce(m.state, 'open') = ${}", filters.state))
    if filters.rule is not None:
        asked.append(("a.rule = ${}", filters.rule))
    if filters.key is not None:
        asked.append(("a.key_id = ${}", filters.key))
    if filters.about is not None:
        asked.append(("${} = ANY(a.about)", filters.about))
    if filters.since is not None:
        asked.append(("a.at >= ${}", filters.since))
    if filters.until is not None:
        asked.append(("a.at < ${}", filters.until))
    conditions = [text.format(at) for at, (text, _) in enumerate(asked, first)]
    if not filters.suppressed:
        conditions.append("a.suppressed IS NULL")
    return " AND ".join(conditions), [value for _, value in asked]


async def page(pool: Any, filters: Filters, before: int, limit: int) -> list[Any]:
    """The newest first, those raised before a number. Indexes: alerts_account, alerts_key, alerts_number."""
    where, values = _where(filters, 3)
    query = f"SELECT {COLUMNS} {_FROM} WHERE a.number < $1 AND {where} ORDER BY a.number DESC LIMIT $2"
    return list(await pool.fetch(query, before, limit, *values))


async def after(pool: Any, filters: Filters, number: int, limit: int) -> list[Any]:
    """The oldest first, those raised after a number: for who follows. Index: alerts_number."""
    where, values = _where(filters, 3)
    query = f"SELECT {COLUMNS}, a.evidence {_FROM} WHERE a.number > $1 AND {where} ORDER BY a.number LIMIT $2"
    return list(await pool.fetch(query, number, limit, *values))


async def newest(pool: Any) -> int:
    """The number of the newest, -1 without any. Index: alerts_number."""
    found: int | None = await pool.fetchval("SELECT max(number) FROM p_alerts.alerts")
    return -1 if found is None else found


async def numbers(pool: Any, ids: Sequence[str]) -> dict[str, int]:
    """By id, where each of these alerts was first raised. Index: alerts_pkey."""
    rows = await pool.fetch("SELECT id, number FROM p_alerts.alerts WHERE id = ANY($1::text[])", list(ids))
    return {row["id"]: row["number"] for row in rows}


async def one(pool: Any, id: str) -> Any | None:
    """Index: alerts_pkey."""
    return await pool.fetchrow(f"SELECT {COLUMNS}, a.evidence {_FROM} WHERE a.id = $1", id)


async def marks(pool: Any, id: str) -> list[Any]:
    """Everything that was done about an alert, oldest first. Index: marks_alert."""
    query = (
        "SELECT position, at, state, note, principal, call_id FROM p_alerts.marks WHERE alert = $1 ORDER BY position"
    )
    return list(await pool.fetch(query, id))
