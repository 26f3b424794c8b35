"""Requests anchors for decisions whose API worker has ended. The projector does it, since it reads every decision.

A worker anchors its own decisions once a second, but a killed worker cannot. Once a lane brings no more records, the projector
asks the writer to anchor how far the lane reaches.
"""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from domain.log.authenticity import COMMANDS, Keyring
from domain.log.codec import rfc3339
from domain.log.command import Command, encode
from domain.log.lane import Reached, Tails
from domain.log.own_commands import ANCHOR, own_call
from domain.ports import Topic, Unavailable
from services.adapters import cloudevents
from services.clock import Clock
from services.logs import logger_of

log = logger_of("projector")

LOOK_EVERY = 1.0
IDLE = 3.0
"""After so many seconds without a record of a lane and without its anchor, its worker counts as ended. If the anchor does not
come, it is asked for again after as many more. A worker that was only slow goes on and anchors its next records: an anchor does
not forbid later records."""
GOOD_FOR = 10_000_000


class Observer:
    """One task looks for ended workers (`keep_looking`); the task that follows the topics reports what it read (`read`)."""

    def __init__(self, commands: Topic, keys: Keyring, log_name: str, clock: Clock) -> None:
        self._commands = commands
        self._keys = keys
        self._log = log_name
        self._clock = clock
        self._tails = Tails({}, {}, 0.0)
        self._read = float("-inf")
        """When the topics were read the last time. While Postgres keeps the projector waiting it reads nothing, and would take
        every worker for one that has ended."""

    def begin(self, tails: Tails) -> None:
        self._tails = tails

    def read(self, lanes: dict[tuple[str, int], Reached], anchored: dict[tuple[str, int], int]) -> None:
        before, self._read = self._read, time.monotonic()
        if self._read - before > IDLE:
            self._tails.waited(self._read)  # the next records of other lanes may be in the next batch
        self._tails.read(lanes, self._read)
        self._tails.anchored({name: Reached(number) for name, number in anchored.items()})

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for worker, lanes in self._tails.idle(self._read - IDLE).items():
                try:
                    await self._anchor(worker, lanes)
                    self._tails.asked(worker, time.monotonic())
                except Unavailable as fault:
                    log.warning(
                        "decisions of a worker that ended could not be anchored; trying again", reason=str(fault)
                    )

    async def _anchor(self, worker: str, lanes: list[dict[str, int | str]]) -> None:
        call = own_call(str(uuid4()), ANCHOR, {"worker": worker, "lanes": lanes})
        command = Command(call, {}, self._clock.now() + GOOD_FOR)
        value, _ = self._keys.seal(self._keys.newest, COMMANDS, self._log).sealed(encode(command))
        await self._commands.append(
            value, cloudevents.headers(call.id, self._log, "command", rfc3339(command.not_after))
        )  # fmt: skip
        log.info("decisions of a worker that ended are anchored", worker=worker, lanes=len(lanes))
