"""One term of leadership: fold the log, fence, then answer commands. The log itself is the lock.

If the writer cannot be sure of something, it ends its process (`doubts.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from domain.commands.accounts import is_disabled, root_credential_events, service_events
from domain.log.codec import Unreadable
from domain.log.events import LogCreated, ServiceRegistered, WriterStarted
from domain.log.levels import LEVEL, LEVEL_VERSION, LevelRaised
from domain.ports import LogRefused, OutOfRange, Reader, Unavailable
from domain.state.fold import Fold
from services.adapters import keyring
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_known
from services.clock import Clock
from services.logs import logger_of
from services.metrics import LEADER_AT, TAKEOVERS
from services.writer.command_answers import BATCH, CommandAnswers
from services.writer.doubts import (
    READ_BACK_DEADLINE,
    End,
    FenceUnread,
    LogUnreadable,
    RecordUnreadable,
    end_process,
    require_certain,
)
from services.writer.due_work import DueWork
from services.writer.foreign_commands import ForeignCommands
from services.writer.own_records import OwnRecords
from services.writer.step import WriterStep
from services.writer.vault_upkeep import VaultUpkeep

log = logger_of("writer")

WATCH_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class FirstIdentities:
    """The first identities, from the settings: the region, the first account and its access key, the services."""

    region: str
    account: str
    access_key: str
    services: tuple[ServiceRegistered, ...] = ()


class Leader:
    """`lead` returns only by cancellation; every failure ends the process. Its tasks, and what each owns:

    | task | runs | owns |
    |---|---|---|
    | reading | `_read_back` | the reader of `events`; in `OwnRecords` what is confirmed |
    | watching | `_watch` | nothing: it checks the age of the oldest unread record |
    | running | `OwnRecords.running` | nothing: it checks whether the process was stopped |
    | commands | `CommandAnswers.keep_answering` | the reader of `commands` |
    | due work | `DueWork.keep_doing` | nothing: it takes the turn |
    | foreign commands | `ForeignCommands.keep_recording` | when it last made a record |
    | destruction, sweeping | `VaultUpkeep` | the vault's rows |

    The fold, the world and the agenda belong to the task that holds the turn of `OwnRecords`. The one exception is the
    reading task, which moves `fold.next` past a void record while no record of our own is under way.
    """

    def __init__(
        self,
        events: KafkaTopic,
        commands: KafkaTopic,
        step: WriterStep,
        upkeep: VaultUpkeep,
        clock: Clock,
        first: FirstIdentities,
        may_skip: Callable[[str, int], Awaitable[bool]],
        require_origin: Callable[[str], Awaitable[None]],
        keys: VaultKeyring,
        keep_marks: Callable[[Fold], Awaitable[None]],
        end: End = end_process,
    ) -> None:
        """`may_skip` is called with the log's id and the next command's offset, `require_origin` with the log's id. `keep_marks`
        notes what starts compare the log with."""
        self._events = events
        self._commands = commands
        self._step = step
        self._upkeep = upkeep
        self._clock = clock
        self._first = first
        self._may_skip = may_skip
        self._require_origin = require_origin
        self._keys = keys
        self._keep_marks = keep_marks
        self._end = end
        self._own = OwnRecords(events, step, upkeep, keys, clock, end)

    async def lead(self) -> None:
        fold = self._step.fold
        reader = await self._events.reader(fold.next)
        try:
            await self._catch_up(reader, await self._events.end())
            self._own.begin()
            async with self._own.running():
                world = fold.world
                self._require_authentic(fold)
                await self._require_origin(world.log)
                await self._fence(reader)
                await self._require_origin(world.log)
                await self._keep_marks(fold)
                log.info(
                    "writer leads",
                    writer=self._step.writer,
                    position=world.position,
                    next_command=world.next_command,
                )
                TAKEOVERS.inc()
                self._upkeep.destroy(world.destroyed)
                await self._work(reader)
        finally:
            await reader.close()

    async def _work(self, reader: Reader) -> None:
        own, step = self._own, self._step
        due = DueWork(step, own, self._upkeep, self._clock)
        foreign = ForeignCommands(step, own)
        answers = CommandAnswers(
            self._commands, step, own, due, foreign, self._keys, self._clock, self._may_skip, self._end
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_back(reader), name="reading")
            tasks.create_task(self._watch(), name="watching")
            tasks.create_task(answers.keep_answering(), name="commands")
            tasks.create_task(due.keep_doing(), name="due work")
            tasks.create_task(foreign.keep_recording(), name="foreign commands")
            tasks.create_task(self._upkeep.destroying(), name="destruction")
            tasks.create_task(self._upkeep.sweeping(step.fold.world, own.leads), name="sweeping")

    async def _catch_up(self, reader: Reader, end: int) -> None:
        """Folds everything up to the watermark `end`. Raises OutOfRange, Unavailable."""
        fold = self._step.fold
        try:
            while fold.next < end:
                for stored in await read_known(reader, BATCH):
                    await keyring.take(fold, stored, self._keys)
        except Unreadable as fault:
            require_certain(RecordUnreadable(fault), self._end)

    def _require_authentic(self, fold: Fold) -> None:
        """Raises LogRefused for a log that this installation did not write. Such a log is not led, and no new one is
        begun after it."""
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
        """Names the log if it is new, announces this writer and sets up the first account. All of it has to be read
        back as valid."""
        world, own = self._step.fold.world, self._own
        first: list[object] = [] if world.log else [LogCreated(str(uuid4()), self._first.region)]
        # A log whose first writer has not started was answered from by nobody, so no earlier version has to go on reading it.
        # That is also a log whose first writer died after it had created it.
        level = [] if world.writer or world.level >= LEVEL else [LevelRaised(LEVEL, LEVEL_VERSION)]
        start = WriterStarted(self._step.writer, world.next_command)
        credentials = root_credential_events(world, self._first.account, self._first.access_key)
        if is_disabled(world, self._first.account, self._first.access_key):
            log.error(
                "KEYTRAIL_ROOT_ACCESS_KEY_ID names an access key that was disabled, and is disabled still: name the one that "
                "replaced it",
                access_key=self._first.access_key,
            )
        for event in [*first, *level, start, *credentials, *service_events(world, self._first.services)]:
            await own.append_event(event)
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_BACK_DEADLINE):
                while not own.all_read_back:
                    for stored in await reader.read(BATCH):
                        own.confirm(stored.offset, stored.value)
                return
        require_certain(FenceUnread(), self._end)

    async def _read_back(self, reader: Reader) -> None:
        try:
            while True:
                for stored in await reader.read(BATCH):
                    self._own.confirm(stored.offset, stored.value)
        except (OutOfRange, Unavailable) as fault:
            require_certain(LogUnreadable(fault), self._end)

    async def _watch(self) -> None:
        while True:
            LEADER_AT.set_to_current_time()
            await asyncio.sleep(WATCH_EVERY)
            self._own.require_read_back()
