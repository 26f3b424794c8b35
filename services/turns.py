"""Turns on the event loop: long work gives way by the time that it has used, not by how much it did.

The work's result is the same however long a turn took.
"""

from __future__ import annotations

import asyncio
import time

LONGEST = 0.005
"""Seconds of the loop after which other work has a turn."""


class Turn:
    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def give_way(self) -> None:
        """Called between two pieces of work."""
        if time.perf_counter() - self._began > LONGEST:
            await asyncio.sleep(0)
            self._began = time.perf_counter()
