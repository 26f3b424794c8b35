"""A world that goes forward over the log's events, as the projections keep them: the state at every position of a span.

It begins at any position with what the history held then, so nothing is folded from zero but where the span begins there.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from domain.log.codec import event_from
from domain.state.world import World
from projections.decisions import changes
from projections.history import queries as history
from projections.log.schema import AskedLog

AHEAD = 2_000
"""Events fetched at a time."""


class Replay:
    """`world` is the state after `position`. Of one connection, which reads one state of the projections."""

    def __init__(self, log: AskedLog, world: World, last: int) -> None:
        """`last`: the position after which nothing will be asked."""
        self._log = log
        self.world = world
        self._last = last
        self._ahead: deque[Any] = deque()
        self._fetched = world.position

    @classmethod
    async def begin(cls, log: AskedLog, region: str, position: int, last: int) -> Replay:
        """At a position, -1 for before the first record."""
        rows = await history.whole(log, position) if position >= 0 else []
        world = history.world_of(rows, region, position, 0)
        return cls(log, world, last)

    async def to(self, position: int) -> bool:
        """Go forward; whether anything was changed on the way."""
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
