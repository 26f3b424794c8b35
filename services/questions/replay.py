"""A world that moves forward over the log's events, read from the projections: the state at each position of a span.

It begins with what the history held at the first position, so nothing before the span is folded.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from domain.log.codec import event_from
from domain.state.world import World
from projections.decisions import changes
from projections.history import queries as history
from projections.history.aggregates import world_of
from projections.log.schema import AskedLog

AHEAD = 2_000
"""How many events are fetched at a time."""


class Replay:
    """`world` is the state after its position. It reads through one connection, which sees one state of the projections."""

    def __init__(self, log: AskedLog, world: World, last: int) -> None:
        """`last`: the last position to which it will move."""
        self._log = log
        self.world = world
        self._last = last
        self._ahead: deque[Any] = deque()
        self._fetched = world.position

    @classmethod
    async def begin(cls, log: AskedLog, region: str, position: int, last: int) -> Replay:
        """Begins at a position; -1 means before the first record."""
        rows = await history.whole(log, position) if position >= 0 else []
        world = world_of(rows, region, position, 0, keys_later=True, of_trail=log.is_trail)
        return cls(log, world, last)

    async def to(self, position: int) -> bool:
        """Moves forward. Returns whether anything changed on the way."""
        changed = False
        world = self.world
        while True:
            while self._ahead and self._ahead[0]["position"] <= position:
                row = self._ahead.popleft()
                world.position = row["position"]
                world.at = max(world.at, int(row["at"].timestamp() * 1_000_000))
                world.apply(event_from({"type": row["event_type"], "data": orjson.loads(row["event"])}))
                changed = True
            if self._ahead or self._fetched >= min(position, self._last):
                world.position = position
                return changed
            found = await changes.events_between(self._log, self._fetched, self._last, AHEAD)
            self._ahead.extend(found)
            self._fetched = found[-1]["position"] if len(found) == AHEAD else self._last
