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

from domain.commands.accounts import root_credential_events, service_events
from domain.commands.due import Agenda, Rotation, Work, destroyed_by
from domain.log.authenticity import KeyMissing
from domain.log.authority import Authority
from domain.log.chain import digest
from domain.log.codec import Unreadable, parse
from domain.log.events import ClockRead, CommandsRefused, CommandsSkipped, LogCreated, ServiceRegistered, WriterStarted
from domain.ports import LogRefused, OutOfRange, Reader, Stored, Unavailable
from domain.state.fold import Fold
from services.adapters import keyring
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.clock import Clock
from services.logs import logger_of
from services.metrics import TAKEOVERS, VOIDS
from services.writer.step import NewRecord, WriterStep
from services.writer.vault_upkeep import VaultUpkeep

log = logger_of("writer")

WINDOW = 512
"""How many records may be appended ahead of the last one read back."""
READ_BACK_DEADLINE = 10.0
BATCH = 500
LOOK_EVERY = 1.0
MOST_SKEW = 60.0
REFUSED_EVERY = 60.0
"""Seconds between two records that say how many commands were not ours, however many come."""
MEASURED_WITHIN = 30.0
BROKERS_TIME = 1
"""Kafka's timestamp type of a topic that says LogAppendTime."""


def stop(reason: str) -> NoReturn:
    """End the process at once. The supervisor starts another, which begins from the log."""
    log.error("writer stops", reason=reason)
    os._exit(75)  # EX_TEMPFAIL: try again


@dataclass(slots=True)
class _Appended:
    decided: NewRecord
    since: float


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """How far the broker's clock and ours were apart, in seconds, and when that was (monotonic)."""

    seconds: float
    measured: float


@dataclass(slots=True)
class ForeignCommands:
    """Commands that were not ours and are not on record yet: the first and last offset, how many, and when the last record of
    such was appended (monotonic)."""

    first: int = 0
    last: int = 0
    count: int = 0
    told: float = float("-inf")


@dataclass(frozen=True, slots=True)
class FirstIdentities:
    """What the settings say of who is there: the region, the first account and its access key, the services."""

    region: str
    account: str
    access_key: str
    services: tuple[ServiceRegistered, ...] = ()


class Leader:
    """One term of leadership. `lead` returns only by cancellation; every failure ends the process."""

    def __init__(
        self,
        events: KafkaTopic,
        commands: KafkaTopic,
        deciding: WriterStep,
        keeping: VaultUpkeep,
        clock: Clock,
        first: FirstIdentities,
        may_skip: Callable[[str, int], Awaitable[bool]],
        require_origin: Callable[[str], Awaitable[None]],
        keys: VaultKeyring,
        keep_pin: Callable[[Authority], Awaitable[None]],
    ) -> None:
        """`may_skip` takes the log's id and the command that it would go on from, `require_origin` the log's id."""
        self._events = events
        self._commands = commands
        self._deciding = deciding
        self._keeping = keeping
        self._clock = clock
        self._first = first
        self._appended: deque[_Appended] = deque()
        self._room = asyncio.Semaphore(WINDOW)
        self._turn = asyncio.Lock()
        self._may_skip = may_skip
        self._require_origin = require_origin
        self._sends: set[asyncio.Future[Any]] = set()
        self._confirmed = deciding.fold.chain.head
        self._skew: ClockSkew | None = None
        self._agenda = Agenda(deciding.fold.world)
        self._keys = keys
        self._keep_pin = keep_pin
        self._strange = ForeignCommands()

    async def lead(self) -> None:
        fold = self._deciding.fold
        reader = await self._events.reader(fold.next)
        try:
            await _catch_up(reader, fold, await self._events.end(), self._keys)
            self._confirmed = fold.chain.head
            world = fold.world
            self._require_authentic(fold)
            await self._require_origin(world.log)
            await self._fence(reader)
            await self._require_origin(world.log)
            if fold.chain.authority.begun:
                await self._keep_pin(fold.chain.authority)
            self._agenda = Agenda(world)
            log.info(
                "writer leads",
                writer=self._deciding.writer,
                position=world.position,
                next_command=world.next_command,
            )
            TAKEOVERS.inc()
            self._keeping.destroy(world.destroyed)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read_back(reader))
                tasks.create_task(self._watch())
                tasks.create_task(self._answer_commands())
                tasks.create_task(self._fall_due())
                tasks.create_task(self._tell_of_strange())
                tasks.create_task(self._keeping.destroying())
                tasks.create_task(self._keeping.sweeping(world))
        finally:
            await reader.close()

    def _require_authentic(self, fold: Fold) -> None:
        """Raises LogRefused for a log that this installation did not write: none is begun behind it, and none is led."""
        if fold.world.log and not fold.chain.authority.is_settled(self._keys):
            raise LogRefused(
                f"{self._events.topic} holds log {fold.world.log} without MACs, and this installation's records have them: "
                "the topic was replaced. Bring it back (keytrail restore)."
            )
        if fold.next and not fold.world.log:
            raise LogRefused(
                f"{self._events.topic} holds {fold.next} records, and none of them was written under this vault's root "
                "secret: the topic or the database is another installation's. Bring the right one back, or name an empty "
                "topic by KEYTRAIL_TOPIC_PREFIX."
            )

    async def _fence(self, reader: Reader) -> None:
        """Name the log where it is new, announce this writer, see to the first account; all read back as valid."""
        world = self._deciding.fold.world
        first: list[object] = [] if world.log else [LogCreated(str(uuid4()), self._first.region)]
        start = WriterStarted(self._deciding.writer, world.next_command)
        credentials = root_credential_events(world, self._first.account, self._first.access_key)
        for event in [*first, start, *credentials, *service_events(world, self._first.services)]:
            await self._append_own(event)
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_BACK_DEADLINE):
                while self._appended:
                    for stored in await reader.read(BATCH):
                        self._confirm(stored.offset, stored.value)
                return
        stop("the writer's start was not read back in time")

    async def _append_own(self, event: object) -> None:
        """A record of what this writer does itself."""
        world = self._deciding.fold.world
        await self._append(self._deciding.record(self._clock.now(), world.next_command, None, None, event))

    async def _append(self, decided: NewRecord) -> None:
        """In the order in which records were decided: who decides holds `_turn` until this returns."""
        await self._room.acquire()
        self._appended.append(_Appended(decided, time.monotonic()))
        try:
            future = await self._events.send(decided.value, decided.headers)
        except Exception as fault:  # noqa: BLE001  # any failure of a send means: what is on the log is not known
            stop(f"a record could not be sent: {fault!r}")
        self._sends.add(future)
        future.add_done_callback(self._sent)

    def _sent(self, future: asyncio.Future[Any]) -> None:
        self._sends.discard(future)
        if future.cancelled():
            return
        if future.exception() is not None:
            stop(f"a record could not be appended: {future.exception()!r}")
        told = future.result()
        if told.timestamp_type == BROKERS_TIME:
            self._skew = ClockSkew(abs(told.timestamp / 1000 - time.time()), time.monotonic())

    def _confirm(self, offset: int, value: bytes) -> None:
        """What was read back has to be the next of what was appended."""
        if self._appended and value == self._appended[0].decided.value:
            appended = self._appended.popleft()
            self._room.release()
            self._confirmed = digest(value)
            self._keeping.destroy(destroyed_by(appended.decided.event))
            return
        document = parse(value) or {"previous": None}
        if document["previous"] == self._confirmed and self._is_authentic(value, document):
            stop(f"the record at {offset} is valid and of writer {document.get('writer')}: another one leads")
        if self._appended:
            # What is under way was decided for offsets that are one too low now: its `seen` would name the wrong record.
            stop(f"a void record at {offset} came between this writer's own")
        VOIDS.labels("writer").inc()
        log.info("void record skipped", position=offset, writer=str(document.get("writer"))[:64])
        self._deciding.fold.next = offset + 1

    def _is_authentic(self, value: bytes, document: dict[str, Any]) -> bool:
        try:
            return self._deciding.fold.chain.authority.admits(self._keys, value, document)
        except KeyMissing:
            return True  # ours, and of a rotation that this process has not read of

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

    async def _skip_lost_commands(self, start: int, end: int) -> None:
        """Where retention took commands that nobody had read, or where the topic is not the one that the log counts (it
        was restored without its commands): wait for an operator, and record what is skipped."""
        world = self._deciding.fold.world
        if start <= world.next_command <= end:
            return
        log.error(
            "commands were lost before they were read; an operator decides",
            next_command=world.next_command,
            start=start,
            end=end,
            mend="keytrail skip-commands",
        )
        while not await self._may_skip(world.log, world.next_command):  # noqa: ASYNC110  # the permission comes through Postgres
            await asyncio.sleep(1)
        skipped = CommandsSkipped(world.next_command, start)
        log.warning("commands skipped", from_command=skipped.from_command, to_command=skipped.to_command)
        async with self._turn:
            await self._append(self._deciding.record(self._clock.now(), start, None, None, skipped))

    async def _answer_commands(self) -> None:
        world = self._deciding.fold.world
        await self._skip_lost_commands(await self._commands.start(), await self._commands.end())
        reader = await self._commands.reader(world.next_command)
        try:
            while True:
                batch = await reader.read(BATCH)
                await self._keys.know_those_of(each.value for each in batch)
                for stored in batch:
                    if not self._deciding.is_ours(stored.offset, stored.value):
                        self._count_strange(stored.offset)
                        continue
                    async with self._turn:
                        decided = await self._answer(stored)
                        if decided is not None:
                            await self._append(decided)
                            self._note(decided.event)
        except (OutOfRange, Unavailable) as fault:
            stop(f"the commands cannot be read: {fault}")
        finally:
            await reader.close()

    async def _answer(self, stored: Stored) -> NewRecord | None:
        try:
            return self._deciding.answer(stored.offset, stored.value, self._clock.now())
        except KeyMissing:
            await self._keys.read_again()
            return self._deciding.answer(stored.offset, stored.value, self._clock.now())

    def _count_strange(self, offset: int) -> None:
        VOIDS.labels("commands").inc()
        strange = self._strange
        strange.first, strange.last = (strange.first if strange.count else offset), offset
        strange.count += 1

    async def _tell_of_strange(self) -> None:
        """Record that commands were refused which somebody else wrote: at once for the first, then once a minute for all.

        One record for each would let a stranger fill the log that is never cut.
        """
        strange = self._strange
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if not strange.count or time.monotonic() - strange.told < REFUSED_EVERY:
                continue
            async with self._turn:
                event = CommandsRefused(strange.first, strange.last, strange.count)
                next_command = max(self._deciding.fold.world.next_command, strange.last + 1)
                await self._append(self._deciding.record(self._clock.now(), next_command, None, None, event))
            log.error("commands were refused that Keytrail did not write", count=strange.count, last=strange.last)
            strange.count, strange.told = 0, time.monotonic()

    # -- what time brings -----------------------------------------------------------------------------------------

    def _note(self, event: object | None) -> None:
        key = getattr(event, "key", None)
        if key is not None:
            self._agenda.note(key)

    async def _fall_due(self) -> None:
        """Deletions, expiries and rotations, each within a second of its time."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                while (work := self._agenda.due(self._clock.now())) is not None:
                    await self._bring(work)
            except Unavailable as fault:
                log.warning("what is due waits", reason=str(fault))

    async def _bring(self, work: Work) -> None:
        """Raises Unavailable: not now."""
        material, fingerprint = "", ""
        if isinstance(work, Rotation):
            new = await self._keeping.new_material(work.key)
            material, fingerprint = new.id, new.fingerprint
        else:
            await self._require_clocks_agree()
        async with self._turn:
            if self._agenda.due(self._clock.now()) == work:  # nobody changed it while this waited
                decided = self._deciding.fall_due(work, material, fingerprint, self._clock.now())
                await self._append(decided)
                self._note(decided.event)

    async def _require_clocks_agree(self) -> None:
        """What is destroyed too early never comes back: two clocks have to say that it is time. Raises Unavailable."""
        if self._skew is None or time.monotonic() - self._skew.measured > MEASURED_WITHIN:
            async with self._turn:
                await self._append_own(ClockRead(self._deciding.writer))
            await asyncio.wait(set(self._sends), timeout=READ_BACK_DEADLINE)
        if self._skew is None:
            raise Unavailable("the broker does not tell its time: see message.timestamp.type of the events topic")
        if self._skew.seconds > MOST_SKEW:
            raise Unavailable(
                f"the broker's clock and this machine's are {self._skew.seconds:.0f} s apart: nothing is destroyed until "
                f"they agree within {MOST_SKEW:.0f} s"
            )


async def _catch_up(reader: Reader, fold: Fold, end: int, keys: VaultKeyring) -> None:
    """Fold everything up to the watermark `end`. Raises OutOfRange, Unavailable; Unreadable ends the process."""
    try:
        while fold.next < end:
            for stored in await reader.read(BATCH):
                await keyring.take(fold, stored, keys)
    except Unreadable as fault:
        stop(str(fault))
