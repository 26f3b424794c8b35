"""The records that this writer appended and has not read back yet. No caller gets an answer before the read-back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from domain.log.authenticity import KeyMissing
from domain.log.chain import digest
from domain.log.codec import parse
from domain.log.events import ClockRead
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.clock import Clock, lasting
from services.logs import logger_of
from services.metrics import RECORDS, VOIDS
from services.writer import decided_records
from services.writer.doubts import (
    AppendFailed,
    End,
    NotRun,
    OldestUnread,
    OtherRecord,
    SendFailed,
    end_process,
    require_certain,
)
from services.writer.step import NewRecord, WriterStep
from services.writer.vault_upkeep import VaultUpkeep

log = logger_of("writer")

RUNS_EVERY = 0.5
WINDOW = 512
"""How many records may be appended after the last one that was read back."""
BROKERS_TIME = 1
"""Kafka's timestamp type for a topic with LogAppendTime."""


@dataclass(slots=True)
class _Unread:
    record: NewRecord
    since: float
    began: int
    """When it began to be decided, in nanoseconds since the epoch; 0 if nobody traces it."""
    read_back: asyncio.Future[None] | None = None
    """Ends when it is read back. None: nobody waits for this one."""


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """How many seconds the broker's clock and this one's differed, and when that was measured (`lasting`)."""

    seconds: float
    measured: float


class OwnRecords:
    """Three kinds of task meet here. A *deciding* task (commands, due work, foreign commands) holds `turn` from its
    decision until the record is appended. Only the *reading* task calls `confirm`. The *watching* task calls
    `require_read_back`."""

    def __init__(
        self,
        events: KafkaTopic,
        step: WriterStep,
        upkeep: VaultUpkeep,
        keys: VaultKeyring,
        clock: Clock,
        end: End = end_process,
    ) -> None:
        self._events = events
        self._step = step
        self._upkeep = upkeep
        self._keys = keys
        self._clock = clock
        self._end = end
        self.turn = asyncio.Lock()
        """It makes records be appended in the order in which they were decided."""
        # The deciding task that holds `turn` fills it, the reading task empties it, and the watching task looks at it.
        self._unread: deque[_Unread] = deque()
        # The deciding task takes from it, and the reading task gives back.
        self._room = asyncio.Semaphore(WINDOW)
        # The digest of the last valid record that was read. Once the term has begun, only the reading task uses it.
        self._confirmed = step.fold.chain.head
        # The deciding task adds to it; `_sent` removes each append when it has ended.
        self._sends: set[asyncio.Future[Any]] = set()
        # When this process ran last, as far as it knows: `running` and each append note it.
        self._ran = lasting()
        # `_sent` writes it, and the task of due work reads it.
        self.skew: ClockSkew | None = None

    def begin(self) -> None:
        """Call this when everything on the log is folded, before any record is appended."""
        self._confirmed = self._step.fold.chain.head
        self._ran = lasting()

    @property
    def all_read_back(self) -> bool:
        return not self._unread

    # -- for the deciding task ----------------------------------------------------------------------------------------

    async def append_event(
        self, event: object, next_command: int | None = None, read_back: asyncio.Future[None] | None = None
    ) -> None:
        """Appends a record of something that this writer itself does. Hold `turn`. `read_back`: see _Unread."""
        if next_command is None:
            next_command = self._step.fold.world.next_command
        record = self._step.record(self._clock.now(), next_command, None, None, event)
        await self.append(record, read_back=read_back)

    async def append(self, record: NewRecord, began: int = 0, read_back: asyncio.Future[None] | None = None) -> None:
        """Hold `turn` from the decision until this returns. `began`, `read_back`: see _Unread."""
        await self._room.acquire()
        self._require_running()
        self._unread.append(_Unread(record, lasting(), began, read_back))
        try:
            future = await self._events.send(record.value, record.headers)
        except Exception as fault:
            # After a failed send it is not known what is on the log.
            require_certain(SendFailed(fault), self._end)
            raise
        self._sends.add(future)
        future.add_done_callback(self._sent)

    async def leads(self) -> None:
        """Returns once a record that is appended now was read back. A writer that is deposed, or has lost the brokers, ends
        instead (`require_read_back`)."""
        read_back: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self.turn:
            await self.append_event(ClockRead(self._step.writer), read_back=read_back)
        await read_back

    async def sends_ended(self, within: float) -> None:
        """Waits for the appends that are under way."""
        await asyncio.wait(set(self._sends), timeout=within)

    def _sent(self, future: asyncio.Future[Any]) -> None:
        self._sends.discard(future)
        if future.cancelled():
            return
        fault = future.exception()
        if fault is not None:
            require_certain(AppendFailed(fault), self._end)
        told = future.result()
        if told.timestamp_type == BROKERS_TIME:
            self.skew = ClockSkew(abs(told.timestamp / 1000 - time.time()), lasting())

    # -- for the reading task -----------------------------------------------------------------------------------------

    def confirm(self, offset: int, value: bytes) -> None:
        """The record at `offset` has to be the next one that was appended. Any other is a reason to stop, or a void
        record to skip."""
        if self._unread and value == self._unread[0].record.value:
            unread = self._unread.popleft()
            self._room.release()
            self._confirmed = digest(value)
            if unread.read_back is not None and not unread.read_back.done():
                unread.read_back.set_result(None)
            RECORDS.inc()
            self._upkeep.destroy(unread.record.removed)
            if unread.began:
                decided_records.trace(unread.record, unread.began, offset)
            return
        document = parse(value) or {"previous": None}
        writer = str(document.get("writer"))
        valid = document["previous"] == self._confirmed and self._is_authentic(value, document)
        require_certain(OtherRecord(offset, writer, valid, own_under_way=bool(self._unread)), self._end)
        VOIDS.labels("writer").inc()
        log.info("void record skipped", position=offset, writer=writer[:64])
        self._step.fold.next = offset + 1

    def _is_authentic(self, value: bytes, document: dict[str, Any]) -> bool:
        try:
            return self._step.fold.chain.authority.admits(self._keys, value, document)
        except KeyMissing:
            return True  # one of ours, after a rotation that this process has not read of

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Notes meanwhile that this process runs."""
        noting = asyncio.create_task(self._keep_running(), name="running")
        try:
            yield
        finally:
            noting.cancel()

    async def _keep_running(self) -> None:
        while True:
            self._require_running()
            await asyncio.sleep(RUNS_EVERY)

    def _require_running(self) -> None:
        """Ends the process if it was stopped for so long that the group may have elected another writer."""
        now = lasting()
        require_certain(NotRun(now - self._ran), self._end)
        self._ran = now

    # -- for the watching task ----------------------------------------------------------------------------------------

    def require_read_back(self) -> None:
        """Ends the process if the oldest unread record has waited too long."""
        if self._unread:
            require_certain(OldestUnread(lasting() - self._unread[0].since), self._end)
