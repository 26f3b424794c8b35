"""A question waits until the read models have what its worker has put on record: whoever asks right after a call finds it."""

from __future__ import annotations

import asyncio

import asyncpg

from projections.log.schema import AskedLog
from projections.progress import has_read
from services.adapters.decisions import DecisionLanes
from services.kms_api.live_state import LiveState

LONGEST = 1.0
"""Seconds after which a question is answered from what is there. The projector is usually a quarter of a second behind at most;
one that is further behind does not get there in time, and one that stands still should stop no question."""
LOOK_EVERY = 0.025


class OwnWrites:
    def __init__(self, log: AskedLog, live: LiveState, decisions: DecisionLanes) -> None:
        self._log, self._live, self._decisions = log, live, decisions

    async def read(self) -> None:
        """Returns when the read models have everything that this worker knew when it was called. Raises asyncpg's errors."""
        events, lanes = self._live.next, self._decisions.durable()
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST
        try:
            while loop.time() < until:  # the projector writes it, another process
                if await has_read(self._log, events, self._decisions.worker, lanes):
                    return
                await asyncio.sleep(LOOK_EVERY)
        except asyncpg.UndefinedTableError:
            return  # a projection is being made: the question itself says so if it needs it
