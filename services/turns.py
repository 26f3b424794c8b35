"""Whose turn it is on the event loop: long work gives way by the time that it has had, not by how much it did.

What is decided in a turn is the same however long it took.
"""

from __future__ import annotations

import asyncio
import time

LONGEST = 0.005
"""Seconds of the loop after which others have theirs."""


class Turn:
    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def give_way(self) -> None:
        """Between two pieces of work."""
        if time.perf_counter() - self._began > LONGEST:
            await asyncio.sleep(0)
            self._began = time.perf_counter()
