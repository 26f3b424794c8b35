"""How far the projections have read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from projections.log.entry import EVENTS
from projections.log.schema import AskedLog, Table
from projections.registry import PROJECTIONS

_OF_ONE = "coalesce((SELECT next FROM {} WHERE topic = '{}' AND partition = 0), 0)"
# index: each primary key
_OF_EVENTS = f"SELECT least({', '.join(_OF_ONE.format(Table(each, 'positions'), EVENTS) for each in PROJECTIONS)})"
# index: primary key
_OF_LANES = f"SELECT lane, number FROM {Table('decisions', 'lanes')} WHERE worker = $1"


@dataclass(frozen=True, slots=True)
class RecordExtent:
    """A part of what is on record: `events` up to an offset, and one worker's decisions up to a number of each lane."""

    worker: str = ""
    events: int = 0
    lanes: Mapping[int, int] = field(default_factory=dict)

    def beyond(self, read: RecordExtent) -> int:
        """How many records of this extent are not in `read`."""
        lanes = sum(max(0, number - read.lanes.get(lane, 0)) for lane, number in self.lanes.items())
        return max(0, self.events - read.events) + lanes


async def read_up_to(log: AskedLog, worker: str) -> RecordExtent:
    """What every projection has read of `events`, and of the decisions of a worker."""
    events = await log.fetchval(_OF_EVENTS)
    return RecordExtent(worker, events, {row["lane"]: row["number"] for row in await log.fetch(_OF_LANES, worker)})
