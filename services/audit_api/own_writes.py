"""A question waits until the read models have what its worker has put on record: whoever asks right after a call finds it.

It holds for a call that this worker answered, while the read models are at most two seconds behind. It does not hold while they
are further behind: while a projection is made anew, or the projector stands still. Then a question is answered at once from
what is there, and `/v1/status` says how much is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg

from projections.log.schema import AskedLog
from projections.progress import RecordExtent, read_up_to

LONGEST = 2.0
"""Seconds after which a question is answered from what is there. The projector is rarely more than a quarter of a second
behind; where other programs have all processors, it may be more than a second."""
LOOK_EVERY = 0.025
MOST_BEHIND = 10_000
"""With more records to read, the read models do not get there within LONGEST: the projector reads 28,000 a second at best
(docs/performance.md), and it has other work."""


class OwnWrites:
    """The questions of a worker share one look at the read models, which never go back while they are there. So a question asks
    Postgres nothing if an earlier one has seen everything that is on record now."""

    def __init__(self, log: AskedLog, on_record: Callable[[], RecordExtent]) -> None:
        """`on_record` says what this worker knows to be on record now."""
        self._log, self._on_record = log, on_record
        self._read = RecordExtent()
        """What the read models had at the last look."""
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()
        self._in_vain = RecordExtent()
        """What a question waited for in vain. Until it is read, the next ones do not wait: they would ask for that and more."""

    async def read(self) -> None:
        """Returns when the read models have everything that this worker knew when it was called, or need not be waited for.
        Raises asyncpg's errors."""
        wanted = self._on_record()
        if not wanted.beyond(self._read):
            return
        try:
            async with asyncio.timeout(LONGEST):
                while not await self._settled(wanted):
                    pass
        except TimeoutError:
            self._in_vain = wanted
        except asyncpg.UndefinedTableError:
            return  # a projection is being made: the question itself says so if it needs it

    async def _settled(self, wanted: RecordExtent) -> bool:
        """Whether the read models have it, or would not have it in time; by a look that begins now or later."""
        last = self._looked_at
        async with self._looking:
            if self._looked_at == last:  # no other question has looked while this one waited for its turn
                loop = asyncio.get_running_loop()
                await asyncio.sleep(last + LOOK_EVERY - loop.time())
                self._looked_at = loop.time()
                self._read = await read_up_to(self._log, wanted.worker)  # the projector writes it, another process
        missing = wanted.beyond(self._read)
        return not missing or missing > MOST_BEHIND or self._in_vain.beyond(self._read) > 0
