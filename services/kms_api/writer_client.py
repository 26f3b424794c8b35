"""The way to the writer and back: puts a command on `commands` and takes its record from `events`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from domain.errors import refusal as refusal_named
from domain.log.authenticity import COMMANDS
from domain.log.codec import rfc3339
from domain.log.command import Command, encode
from domain.log.record import Call, Record
from domain.ports import Topic, Unavailable
from projections.log.entry import EVENTS
from services.adapters import cloudevents
from services.clock import Clock
from services.kms_api import errors, no_answer
from services.kms_api.live_state import LiveState
from services.kms_api.records import Records
from services.traces.spans import record_attributes
from services.traces.tracer import TRACES

MOST_COMMAND = 393_216
"""The most bytes of a command. Its record holds everything twice, as parameters and as event, and has to fit the log."""
ANSWER_SLACK = 2.0
"""How many seconds after a command's deadline its record is still waited for."""


class WriterClient:
    """Has the writer decide calls. `deadline` is how many seconds a command is valid."""

    def __init__(self, live: LiveState, commands: Topic, records: Records, clock: Clock, deadline: float) -> None:
        self._live = live
        self._commands = commands
        self._records = records
        self._clock = clock
        self._deadline = deadline

    async def decide(self, call: Call, made: Mapping[str, str]) -> tuple[int, Record]:
        """The position and record of the writer's decision. Raises WireError if the call was refused, or if it is not
        known in time whether it took effect.

        The command is appended only once. If the append was lost, the client's next try with the same invocation id
        shows whether it took effect.

        """
        command = Command(call, dict(made), self._clock.now() + int(self._deadline * 1_000_000))
        value = encode(command)
        if len(value) > MOST_COMMAND:
            fault = errors.RequestTooLarge(f"What the writer is told of a request has at most {MOST_COMMAND} bytes.")
            await self._records.refusal(replace(call, parameters={}), fault)
            raise errors.on_record(fault)
        tracer = TRACES.tracer
        began = 0 if tracer is None else time.time_ns()
        position, record = await self._recorded(command, value)
        if tracer is not None and tracer.samples(call.id):
            about = () if record.decision is None else record.decision.resources
            tracer.awaited(call.id, about, began, record_attributes(EVENTS, 0), position)
        position, record = await self._first_answer(position, record)
        assert record.decision is not None, "a record of a call has its decision"
        if record.decision.error is not None:
            raise errors.on_record(refusal_named(record.decision.error["kind"], record.decision.error["message"]))
        return position, record

    async def _recorded(self, command: Command, value: bytes) -> tuple[int, Record]:
        """Appends the command and waits for its record. Raises WireError."""
        call, log = command.call, self._live.world.log
        headers = cloudevents.headers(call.id, log, "command", rfc3339(command.not_after))
        with self._live.expecting(call.id) as answered:
            try:
                await self._commands.append(self._live.sealed(COMMANDS, value), headers)
                async with asyncio.timeout(self._deadline + ANSWER_SLACK):
                    return await answered
            except (Unavailable, TimeoutError):
                raise no_answer.no_record() from None

    async def _first_answer(self, position: int, record: Record) -> tuple[int, Record]:
        """The record that answers the call. For a client's retry, it is the record of the first try. Raises WireError."""
        if record.repeats is None or record.call is None:
            return position, record
        try:
            return await self._live.first_answer(record.call.invocation)
        except Unavailable:
            raise errors.not_now("The first answer could not be read; try again.") from None
