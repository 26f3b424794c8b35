"""How far the projections have read."""

from __future__ import annotations

from collections.abc import Mapping

from projections.log.entry import EVENTS
from projections.log.schema import AskedLog, Table
from projections.registry import PROJECTIONS

_OF_ONE = "coalesce((SELECT next FROM {} WHERE topic = '{}' AND partition = 0), 0)"
# index: each primary key
_OF_EVENTS = f"SELECT least({', '.join(_OF_ONE.format(Table(each, 'positions'), EVENTS) for each in PROJECTIONS)})"
# index: primary key
_OF_LANES = f"SELECT lane, number FROM {Table('decisions', 'lanes')} WHERE worker = $1"


async def has_read(log: AskedLog, events: int, worker: str, lanes: Mapping[int, int]) -> bool:
    """Whether every projection has read `events` up to this offset, and the decisions of a worker up to these numbers of its
    lanes."""
    if await log.fetchval(_OF_EVENTS) < events:
        return False
    if not lanes:
        return True
    read = {row["lane"]: row["number"] for row in await log.fetch(_OF_LANES, worker)}
    return all(read.get(lane, 0) >= number for lane, number in lanes.items())
