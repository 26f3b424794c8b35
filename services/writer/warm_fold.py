"""The log's state in a writer that stands by, kept up to date, so that the writer leads at once when it is elected.

Otherwise it would begin with a snapshot then. For a log of 100,000 records that takes two seconds on busy processors, and it
grows with the number of keys; every change waits meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from domain.log.authenticity import KeyMissing
from domain.ports import OutOfRange, Topic
from domain.state.fold import Fold
from services.adapters import keyring
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import has_record
from services.adapters.postgres import INTERRUPTED
from services.logs import logger_of

log = logger_of("writer")

BATCH = 500
AGAIN = 2.0
NOT_NOW: tuple[type[BaseException], ...] = (OutOfRange, KeyMissing, *INTERRUPTED)


class WarmFold:
    """`restored` returns a fold to begin with: a snapshot that fits the log, or an empty one. `caught_up` is called once the fold
    has all that was on the log when it began to read."""

    def __init__(
        self,
        events: Topic,
        restored: Callable[[], Awaitable[Fold]],
        keys: VaultKeyring,
        caught_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._events, self._restored, self._keys, self._caught_up = events, restored, keys, caught_up
        self._fold: Fold | None = None
        self._restoring: asyncio.Future[Fold] | None = None
        self._following: asyncio.Task[None] | None = None

    async def once(self, elected: Callable[[], Awaitable[None]]) -> Fold:
        """The fold as far as it has come when this writer is elected. It reads on from behind the last valid record, which the
        log has. Raises Unavailable, and what `restored` raises."""
        self._following = asyncio.create_task(self._follow())
        try:
            await elected()
        finally:
            fold, self._fold = self._fold, None
            self._following.cancel()  # nobody waits for its end: a client of Kafka may take seconds for that
        if fold is not None:
            if fold.chain.authority.key and fold.chain.authority.key not in self._keys:
                await self._keys.read_again()  # it was about to, when this writer was elected
            if await self._still_holds(fold):
                fold.rewind()
                return fold
        elif self._restoring is not None and not self._restoring.done():
            return await self._restoring  # it began before this writer was elected
        fold = None  # before another one is made, which is as large
        return await self._restored()

    async def _still_holds(self, fold: Fold) -> bool:
        """Brokers may have lost what was read, and have other records in its place: to this fold all of them would be void."""
        chain = fold.chain
        return chain.position < 0 or await has_record(self._events, chain.position, chain.head)

    async def _follow(self) -> None:
        while True:
            try:
                self._restoring = asyncio.ensure_future(self._restored())
                self._fold = await asyncio.shield(self._restoring)
                await self._read_on(self._fold)
            except NOT_NOW as fault:
                self._fold = None
                log.warning("the log cannot be followed while this writer stands by; trying again", reason=repr(fault))
            except Exception as fault:
                # A newer version's record, for instance. It may be half taken in; whoever leads meets it too, and ends.
                self._fold = None
                log.exception("the log cannot be followed while this writer stands by", reason=repr(fault))
                return
            await asyncio.sleep(AGAIN)

    async def _read_on(self, fold: Fold) -> None:
        end = await self._events.end()
        reader = await self._events.reader(fold.next)
        try:
            while True:
                if fold.next >= end:
                    self._caught_up()
                for stored in await reader.read(BATCH):
                    await keyring.take(fold, stored, self._keys)
        finally:
            await reader.close()
