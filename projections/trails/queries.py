"""Questions to the lists of a trail: its calls, and the records that could not be read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from projections.log.schema import AskedLog, Table

CALLS, ASIDE = Table("trails", "calls"), Table("trails", "aside")


async def first_call(log: AskedLog) -> datetime | None:
    """The time of the first call. Index: calls_at_origin_record_idx."""
    found: datetime | None = await log.fetchval(f"SELECT min(at) FROM {CALLS} WHERE origin = 0")
    return found


async def last_call(log: AskedLog) -> datetime | None:
    """The time of the last call. Index: calls_at_origin_record_idx."""
    found: datetime | None = await log.fetchval(f"SELECT max(at) FROM {CALLS} WHERE origin = 0")
    return found


async def extent(log: AskedLog) -> Any:
    """The trail's numbers and times: (calls, changes, first, last)."""
    return await log.fetchrow(
        f"""SELECT count(*) AS calls, count(event_type) AS changes, min(at) AS first, max(at) AS last
        FROM {CALLS} WHERE origin = 0"""
    )


async def broken(log: AskedLog) -> int:
    """How many records could not be read."""
    count: int = await log.fetchval(f"SELECT count(*) FROM {ASIDE}")
    return count
