"""Items that wait for their way to the collector. Whoever adds one never waits: what has no place is lost, and counted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import msgspec

from services.logs import logger_of
from services.otlp.messages import Frame
from services.otlp.sender import LONGEST_ASKED, CollectorAway, NotTaken, OtlpSender

log = logger_of("otlp")

MOST_WAITING = 16_384
"""Items. A span has 300 bytes, so this is 5 MB in each process that measures."""
BATCH = 1024
"""Items of a message. Once so many wait they are sent. A message costs as much as some hundred spans do, whatever its length, so
fewer items would cost more; more would crowd what calls need out of the processor's caches."""
EVERY = 1.0
"""Seconds after which fewer are sent."""
PATIENCE = 20.0
"""Seconds for which one batch is tried. Meanwhile others wait, and new ones find no place."""
GOODBYE = 2.0
"""Seconds for what waits when the process ends."""


@dataclass(frozen=True, slots=True)
class AwayCollector:
    """Why a collector takes nothing, and since when."""

    why: str
    since: datetime


class Outbox:
    """One task runs `keep_sending`, which also encodes. `lost` is told how many items are lost."""

    def __init__(
        self,
        sender: OtlpSender,
        frame: Frame,
        lost: Callable[[int], None],
        most: int = MOST_WAITING,
        patience: float = PATIENCE,
    ) -> None:
        self._sender, self._frame, self._lost, self._patience = sender, frame, lost, patience
        self._waiting: deque[msgspec.Struct] = deque()
        self._most = most
        self._without_place = 0
        self.away: AwayCollector | None = None
        """None while the collector takes what it is sent, and before anything was sent."""
        self._left_alone_until = 0.0
        """By the event loop's clock: the collector asked for it."""
        self._full = asyncio.Event()

    def add(self, item: msgspec.Struct) -> None:
        waiting = len(self._waiting)
        if waiting < self._most:
            self._waiting.append(item)
            if waiting == BATCH:
                self._full.set()
        else:
            self._without_place += 1

    async def keep_sending(self) -> None:
        while True:
            least = 1
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._full.wait()
                least = BATCH
            self._full.clear()
            await self._send_all(self._patience, least)

    async def close(self) -> None:
        """Send what waits, for a short time, and close the connection. Nothing is added any more, and `keep_sending` has
        ended."""
        self._left_alone_until = 0.0  # this process asks once more, and never again
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await self._send_all(GOODBYE)
        self._count(len(self._waiting))
        await self._sender.close()

    def next_batch(self) -> list[msgspec.Struct]:
        return list(islice(self._waiting, BATCH))

    async def _send_all(self, patience: float, least: int = 1) -> None:
        """Sends what waits, as long as so many wait at least, and the collector is not to be left alone."""
        loop = asyncio.get_running_loop()
        while True:
            self._count(self._without_place)
            self._without_place = 0
            if len(self._waiting) < least or loop.time() < self._left_alone_until:
                return
            batch = self.next_batch()
            try:
                refused = min(await self._sender.send(self._frame.around(batch), patience), len(batch))
                self._say_back()
            except (CollectorAway, NotTaken) as fault:
                refused = len(batch)
                if isinstance(fault, CollectorAway):
                    self._left_alone_until = loop.time() + min(fault.after or 0.0, LONGEST_ASKED)
                self._say_away(fault)
            # Only now: if this process ends meanwhile, `close` sends the batch once more.
            for _ in batch:
                self._waiting.popleft()
            self._count(refused)

    def _count(self, lost: int) -> None:
        if lost:
            self._lost(lost)

    def _say_away(self, fault: Exception) -> None:
        if self.away is None:
            log.warning(
                "the collector does not take what it is sent", signal=self._frame.signal.items, reason=str(fault)
            )
        since = datetime.now(UTC) if self.away is None else self.away.since
        self.away = AwayCollector(str(fault), since)

    def _say_back(self) -> None:
        if self.away is not None:
            log.info("the collector takes again what it is sent", signal=self._frame.signal.items)
        self.away = None
