"""Turns on the event loop: long work gives way by the time that it has used, not by how much it did. While others have work, it
stays away for as long as it was at work, so that they have at least half of the loop.

The work's result is the same however long a turn took.
"""

from __future__ import annotations

import asyncio
import time

LONGEST = 0.005
"""Seconds of the loop after which other work has a turn."""
ANY = 0.0005
"""Others that use so many seconds of the processor when they have a turn have work."""


class Turn:
    __slots__ = ("_began", "_used")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._began, self._used = time.perf_counter(), time.thread_time()

    async def give_way(self) -> None:
        """Called between two pieces of work."""
        if time.perf_counter() - self._began > LONGEST:
            left = time.thread_time()  # waits for Postgres are no work, and nor is time that other processes had
            await asyncio.sleep(0)
            if time.thread_time() - left > ANY:
                await asyncio.sleep(left - self._used)
            self._begin()
