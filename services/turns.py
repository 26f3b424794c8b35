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
"""Others that take so many seconds when they have a turn have work."""


class Turn:
    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def give_way(self) -> None:
        """Called between two pieces of work."""
        left = time.perf_counter()
        if left - self._began > LONGEST:
            await asyncio.sleep(0)
            if time.perf_counter() - left > ANY:
                await asyncio.sleep(left - self._began)
            self._began = time.perf_counter()
