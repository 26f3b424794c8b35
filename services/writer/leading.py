"""Leading: fold the log, fence, then answer commands; the log itself is the lock.

Fail-stop is process exit. Whatever this writer cannot be sure of (a failed send, a void record of its own, another
writer's start, an append that is not read back in time) ends the process at once: the next one folds the log and knows
what counts. Nothing is cleaned up on the way: `os._exit`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import uuid4

import structlog

from domain.identities.accounts import root_credential_events
from domain.ports import OutOfRange, Reader, Unavailable
from domain.trail.chain import digest
from domain.trail.codec import Unreadable, parse
from domain.trail.events import CommandsSkipped, LogCreated, WriterStarted
from domain.trail.reading import Fold
from services.adapters.kafka import KafkaTopic
from services.metrics import TAKEOVERS
from services.writer.deciding import Decided, Deciding

log = structlog.get_logger("writer")

WINDOW = 512
"""How many records may be appended ahead of the last one read back."""
READ_BACK_DEADLINE = 10.0
BATCH = 500


def now_micros() -> int:
    return time.time_ns() // 1000


def stop(reason: str) -> NoReturn:
    """End the process at once. The supervisor starts another, which begins from the log."""
    log.error("writer stops", reason=reason)
    os._exit(75)  # EX_TEMPFAIL: try again


@dataclass(slots=True)
class _Appended:
    value: bytes
    since: float


class Leader:
    """One term of leadership. `lead` returns only by cancellation; every failure ends the process."""

    def __init__(
        self,
        events: KafkaTopic,
        commands: KafkaTopic,
        fold: Fold,
        region: str,
        account: str,
        access_key: str,
        org: str,
        on_lead: Callable[[Deciding], Awaitable[None]],
        may_skip: Callable[[str], Awaitable[bool]],
        require_origin: Callable[[str], Awaitable[None]],
    ) -> None:
        self._events = events
        self._commands = commands
        self._region = region
        self._account = account
        self._access_key = access_key
        self._deciding = Deciding(fold, uuid4().hex, org)
        self._appended: deque[_Appended] = deque()
        self._room = asyncio.Semaphore(WINDOW)
        self._on_lead = on_lead
        self._may_skip = may_skip
        self._require_origin = require_origin
        self._sends: set[asyncio.Future[Any]] = set()
        self._confirmed = fold.chain.head

    async def lead(self) -> None:
        fold = self._deciding.fold
        reader = await self._events.reader(fold.next)
        try:
            await _catch_up(reader, fold, await self._events.end())
            self._confirmed = fold.chain.head
            world = fold.world
            await self._require_origin(world.log)
            await self._fence(reader)
            await self._require_origin(world.log)
            log.info(
                "writer leads",
                writer=self._deciding.writer,
                position=world.position,
                next_command=world.next_command,
            )
            TAKEOVERS.inc()
            await self._on_lead(self._deciding)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read_back(reader))
                tasks.create_task(self._watch())
                tasks.create_task(self._answer_commands())
        finally:
            await reader.close()

    async def _fence(self, reader: Reader) -> None:
        """Name the log where it is new, announce this writer, see to the first account; all read back as valid."""
        world = self._deciding.fold.world
        first: list[object] = [] if world.log else [LogCreated(str(uuid4()), self._region)]
        start = WriterStarted(self._deciding.writer, world.next_command)
        for event in [*first, start, *root_credential_events(world, self._account, self._access_key)]:
            await self._append(self._deciding.record(now_micros(), world.next_command, None, None, event))
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_BACK_DEADLINE):
                while self._appended:
                    for stored in await reader.read(BATCH):
                        self._confirm(stored.offset, stored.value)
                return
        stop("the writer's start was not read back in time")

    async def _append(self, decided: Decided) -> None:
        await self._room.acquire()
        self._appended.append(_Appended(decided.value, time.monotonic()))
        try:
            future = await self._events.send(decided.value, decided.headers)
        except Exception as fault:  # noqa: BLE001  # any failure of a send means: what is on the log is not known
            stop(f"a record could not be sent: {fault!r}")
        self._sends.add(future)
        future.add_done_callback(self._sent)

    def _sent(self, future: asyncio.Future[Any]) -> None:
        self._sends.discard(future)
        if not future.cancelled() and future.exception() is not None:
            stop(f"a record could not be appended: {future.exception()!r}")

    def _confirm(self, offset: int, value: bytes) -> None:
        """What was read back has to be the next of what was appended."""
        if self._appended and value == self._appended[0].value:
            self._appended.popleft()
            self._room.release()
            self._confirmed = digest(value)
            return
        document = parse(value) or {"previous": None}
        if document["previous"] == self._confirmed:
            stop(f"the record at {offset} is valid and of writer {document.get('writer')}: another one leads")
        if self._appended:
            # What is under way was decided for offsets that are one too low now: its `seen` would name the wrong record.
            stop(f"a void record at {offset} came between this writer's own")
        log.info("void record skipped", position=offset, writer=document.get("writer"))
        self._deciding.fold.next = offset + 1

    async def _read_back(self, reader: Reader) -> None:
        try:
            while True:
                for stored in await reader.read(BATCH):
                    self._confirm(stored.offset, stored.value)
        except (OutOfRange, Unavailable) as fault:
            stop(f"the log cannot be read: {fault}")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            if self._appended and time.monotonic() - self._appended[0].since > READ_BACK_DEADLINE:
                stop("an appended record was not read back in time")

    async def _skip_lost_commands(self, start: int) -> None:
        """Where retention took commands that nobody had read: wait for an operator, and record what is skipped."""
        world = self._deciding.fold.world
        if world.next_command >= start:
            return
        log.error(
            "commands were lost before they were read; an operator decides",
            next_command=world.next_command,
            start=start,
            mend="keytrail skip-commands",
        )
        while not await self._may_skip(world.log):  # noqa: ASYNC110  # the permission comes through Postgres
            await asyncio.sleep(1)
        skipped = CommandsSkipped(world.next_command, start)
        log.warning("commands skipped", from_command=skipped.from_command, to_command=skipped.to_command)
        await self._append(self._deciding.record(now_micros(), start, None, None, skipped))

    async def _answer_commands(self) -> None:
        world = self._deciding.fold.world
        await self._skip_lost_commands(await self._commands.start())
        reader = await self._commands.reader(world.next_command)
        try:
            while True:
                for stored in await reader.read(BATCH):
                    decided = self._deciding.answer(stored.offset, stored.value, now_micros())
                    if decided is not None:
                        await self._append(decided)
        except (OutOfRange, Unavailable) as fault:
            stop(f"the commands cannot be read: {fault}")
        finally:
            await reader.close()


async def _catch_up(reader: Reader, fold: Fold, end: int) -> None:
    """Fold everything up to the watermark `end`. Raises OutOfRange, Unavailable; Unreadable ends the process."""
    try:
        while fold.next < end:
            for stored in await reader.read(BATCH):
                fold.take(stored.offset, stored.value)
    except Unreadable as fault:
        stop(str(fault))
