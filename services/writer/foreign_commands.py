"""Commands that no process of Keytrail wrote. They are skipped, counted, and recorded at most once a minute."""

from __future__ import annotations

import asyncio
import time

from domain.log.events import CommandsRefused
from services.logs import logger_of
from services.metrics import VOIDS
from services.writer.own_records import OwnRecords
from services.writer.step import WriterStep

log = logger_of("writer")

LOOK_EVERY = 1.0
RECORD_EVERY = 60.0
"""Seconds between two records of foreign commands, however many there are."""


class ForeignCommands:
    """The task of commands calls `count`; one task runs `keep_recording`."""

    def __init__(self, step: WriterStep, own: OwnRecords) -> None:
        self._step = step
        self._own = own
        # What is not recorded yet. The task of commands adds to it. The recording task reads and empties it under the
        # turn of OwnRecords, with no wait in between.
        self._first = 0
        self._last = 0
        self._count = 0
        # Only for the recording task: when it last made a record (monotonic).
        self._recorded = float("-inf")

    def count(self, offset: int) -> None:
        VOIDS.labels("commands").inc()
        if not self._count:
            self._first = offset
        self._last = offset
        self._count += 1

    async def keep_recording(self) -> None:
        """Records the first at once, and then all of one minute together. With a record for each, a stranger could fill
        the log, which is never cut."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self._count and time.monotonic() - self._recorded >= RECORD_EVERY:
                await self._record()

    async def _record(self) -> None:
        async with self._own.turn:
            event = CommandsRefused(self._first, self._last, self._count)
            self._count = 0
            next_command = max(self._step.fold.world.next_command, event.to_command + 1)
            await self._own.append_event(event, next_command)
        log.error("commands were refused that Keytrail did not write", count=event.count, last=event.to_command)
        self._recorded = time.monotonic()
