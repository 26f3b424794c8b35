"""Anchors this worker's decisions: puts on `events` how far they reach, once a second while there are any."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from domain.log.authenticity import COMMANDS
from domain.log.codec import rfc3339
from domain.log.command import Command, encode
from domain.log.own_commands import ANCHOR, own_call
from domain.ports import Topic, Unavailable
from services.adapters import cloudevents
from services.adapters.decisions import DecisionLanes
from services.clock import Clock
from services.kms_api.live_state import LiveState
from services.logs import logger_of

log = logger_of("api")

ANCHOR_EVERY = 0.5
"""Seconds. Even with the way through the writer, the anchor is on `events` well within a second of its record."""
GOOD_FOR = 10_000_000
"""Microseconds. An anchor that the writer has not taken by then is given up; the next one reaches further."""


class Anchors:
    """The one task that asks the writer to anchor. If an anchor does not get through, it is sent again with the
    decisions made since."""

    def __init__(self, live: LiveState, decisions: DecisionLanes, commands: Topic, clock: Clock) -> None:
        self._live = live
        self._decisions = decisions
        self._commands = commands
        self._clock = clock

    async def keep_anchoring(self) -> None:
        while True:
            await asyncio.sleep(ANCHOR_EVERY)
            await self.anchor()

    async def anchor(self) -> None:
        """Asks once, for the lanes that moved since the last time."""
        lanes = self._decisions.moved()
        if not lanes:
            return
        call = own_call(str(uuid4()), ANCHOR, {"worker": self._decisions.worker, "lanes": lanes})
        command = Command(call, {}, self._clock.now() + GOOD_FOR)
        headers = cloudevents.headers(call.id, self._live.world.log, "command", rfc3339(command.not_after))
        try:
            await self._commands.append(self._live.sealed(COMMANDS, encode(command)), headers)
        except Unavailable as fault:
            log.warning("decisions could not be anchored; trying again", reason=str(fault))
            self._decisions.moved_still(lanes)
