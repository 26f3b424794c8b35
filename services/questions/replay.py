"""A world that moves forward over the log's events, read from the projections: the state at each position of a span.

It begins with the state that the history held at the first position. Of the events before that, it applies only those of the last
day that concern people: they may have ended sessions, which the history does not hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson

from domain.identities.directory import CUT_OFF_WINDOW
from domain.log.catalogue import CATALOGUE
from domain.log.codec import event_from
from domain.log.events import AccessKeyCreated, AccessKeyDisabled, AccountCreated
from domain.log.sign_in_events import ConsoleSignedOut
from domain.state.world import IDENTITY_EVENTS, World
from projections.decisions import changes
from projections.history import queries as history
from projections.history.aggregates import world_of
from projections.history.project import ACCOUNT, IDENTITY, MFA_DEVICE, OIDC_PROVIDER, POLICY, PROFILE
from projections.log.schema import AskedLog

AHEAD = 2_000
"""How many events are fetched at a time."""
PEOPLE = (ACCOUNT, IDENTITY, POLICY, PROFILE, MFA_DEVICE, OIDC_PROVIDER)
_ABOUT_PEOPLE = IDENTITY_EVENTS | {AccountCreated, AccessKeyCreated, AccessKeyDisabled, ConsoleSignedOut}
"""The events that a world without keys can apply. Every event that ends a console session is among them."""
ABOUT_PEOPLE = [
    f"{row.name}.v{version}"
    for row in CATALOGUE.values()
    if row.event in _ABOUT_PEOPLE
    for version in range(1, row.version + 1)
]


class Replay:
    """`world` is the state of the log at `world.position`. All events are read through one connection, which sees one state of
    the projections."""

    def __init__(self, log: AskedLog, world: World, last: int, types: Sequence[str] | None = None) -> None:
        """`last`: the last position that `to` will be called with. `types`: the types of the events to apply; None for all."""
        self._log = log
        self._types = types
        self.world = world
        self._last = last
        self._ahead: deque[Any] = deque()
        self._fetched = world.position

    @classmethod
    async def begin(cls, log: AskedLog, region: str, position: int, last: int) -> Replay:
        """Begins at a position; -1 means before the first record."""
        rows = await history.whole(log, position) if position >= 0 else []
        world = world_of(rows, region, position, 0, keys_later=True, of_trail=log.is_trail)
        if position >= 0 and not log.is_trail:
            await _take_ended_sessions(log, world)
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
            found = await self._next()
            self._ahead.extend(found)
            self._fetched = found[-1]["position"] if len(found) == AHEAD else self._last

    async def _next(self) -> list[Any]:
        if self._types is None:
            return await changes.events_between(self._log, self._fetched, self._last, AHEAD)
        return await changes.of_types(self._log, self._fetched, self._last, self._types, AHEAD)


async def _take_ended_sessions(log: AskedLog, world: World) -> None:
    """Puts into the world which console sessions had ended, so that a call that was refused for that reason is refused again. The
    history does not hold them. So the events about people are applied again, from as far back as a session's end is remembered.
    """
    then = await history.moment_of(log, world.position)
    if then is None:
        return
    before = await history.position_at(log, then - timedelta(microseconds=CUT_OFF_WINDOW))
    folded = -1 if before is None else before
    rows = await history.of_accounts(log, folded, list(world.accounts), PEOPLE) if folded >= 0 else []
    people = Replay(log, world_of(rows, world.region, folded, 0), world.position, ABOUT_PEOPLE)
    await people.to(world.position)
    world.directory.cut_off, world.sign_outs = people.world.directory.cut_off, people.world.sign_outs
