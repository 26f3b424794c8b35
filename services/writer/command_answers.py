"""Decides commands in their order, and answers each with one record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from domain.log.events import CommandsSkipped
from domain.ports import OutOfRange, Stored, Unavailable
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.clock import Clock
from services.logs import logger_of
from services.writer import decided_records
from services.writer.doubts import CommandsUnreadable, End, end_process, require_certain
from services.writer.due_work import DueWork
from services.writer.foreign_commands import ForeignCommands
from services.writer.own_records import OwnRecords
from services.writer.step import NewRecord, WriterStep

log = logger_of("writer")

BATCH = 500


class CommandAnswers:
    """One task runs `keep_answering`, and owns everything here."""

    def __init__(
        self,
        commands: KafkaTopic,
        step: WriterStep,
        own: OwnRecords,
        due: DueWork,
        foreign: ForeignCommands,
        keys: VaultKeyring,
        clock: Clock,
        may_skip: Callable[[str, int], Awaitable[bool]],
        end: End = end_process,
    ) -> None:
        """`may_skip` is called with the log's id and the offset of the next command."""
        self._commands = commands
        self._step = step
        self._own = own
        self._due = due
        self._foreign = foreign
        self._keys = keys
        self._clock = clock
        self._may_skip = may_skip
        self._end = end

    async def keep_answering(self) -> None:
        await self._skip_lost(await self._commands.start(), await self._commands.end())
        reader = await self._commands.reader(self._step.fold.world.next_command)
        try:
            while True:
                batch = await reader.read(BATCH)
                await self._keys.know_those_of(each.value for each in batch)
                for stored in batch:
                    if self._step.is_ours(stored.offset, stored.value):
                        await self._answer(stored)
                    else:
                        self._foreign.count(stored.offset)
        except (OutOfRange, Unavailable) as fault:
            require_certain(CommandsUnreadable(fault), self._end)
        finally:
            await reader.close()

    async def _answer(self, stored: Stored) -> None:
        async with self._own.turn:
            began = decided_records.now()
            record = await self._decided(stored)
            if record is not None:
                await self._own.append(record, began)
                self._due.note(record.event)

    async def _decided(self, stored: Stored) -> NewRecord | None:
        return await self._keys.attempted(lambda: self._step.answer(stored.offset, stored.value, self._clock.now()))

    async def _skip_lost(self, start: int, end: int) -> None:
        """Commands are missing: retention removed them unread, or the topic is not the one that the log counts (it was
        restored without its commands). Waits for an operator, and records what is skipped."""
        world = self._step.fold.world
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
        async with self._own.turn:
            await self._own.append_event(skipped, next_command=start)
