"""What the streams bring is judged, however often that is interrupted; and what ends the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NoReturn, assert_never

from domain.log.codec import Unreadable
from domain.ports import OutOfRange, Stored
from projections.log.entry import EVENTS
from services.adapters.postgres import INTERRUPTED, Pool
from services.alert_worker import takeover
from services.alert_worker.books import JudgedElsewhere, LogPartition, RowsChanged
from services.alert_worker.decisions import JudgedDecisions
from services.alert_worker.events import JudgedEvents
from services.alert_worker.takeover import LossAccepted
from services.logs import logger_of

log = logger_of("alerts")

AGAIN = 0.5
UNJUDGEABLE, BEGUN_ANEW, LOG_BROKEN = 70, 75, 78
"""What the process exits with."""

LASTING = (OutOfRange, Unreadable, RowsChanged, LossAccepted)
"""Faults that do not pass while the process goes on."""


class JudgedStreams:
    """`end` ends the process at once, with this status."""

    def __init__(
        self, pool: Pool, changes: JudgedEvents, decisions: JudgedDecisions, end: Callable[[int], NoReturn]
    ) -> None:
        self._pool = pool
        self._changes, self._decisions = changes, decisions
        self._end = end

    async def take_events(self, _: int, records: Sequence[Stored]) -> None:
        await self._surely(lambda: self._changes.take(records))

    async def take_decisions(self, partition: int, records: Sequence[Stored]) -> None:
        await self._surely(lambda: self._decisions.take(partition, records))

    async def catch_up_with_events(self) -> None:
        await self._surely(self._changes.catch_up)

    async def catch_up(self, parts: Sequence[tuple[LogPartition, int]]) -> None:
        """Judge records that wait although nothing moves. Faust does not hand them over: its offset is ahead of ours, or the
        worker that has the partition is gone. This runs beside the watch, which goes on reporting what waits."""
        for (topic, partition), end in parts:
            if topic == EVENTS:
                await self.catch_up_with_events()
            else:
                await self._surely(partial(self._decisions.catch_up, partition, end))

    async def _surely(self, judged: Callable[[], Awaitable[None]]) -> None:
        """Try again until it is done: a delay is better than a record that is passed over."""
        while True:
            try:
                await judged()
                return
            except LASTING as fault:
                await self._end_for(fault)
            except JudgedElsewhere as fault:
                log.info("judging goes on from where another worker left off", reason=str(fault))
            except INTERRUPTED as fault:
                log.warning("judging was interrupted; trying again", reason=repr(fault))
                await asyncio.sleep(AGAIN)
            except Exception as fault:
                log.exception("a record cannot be judged; this process ends", reason=repr(fault))
                self._end(UNJUDGEABLE)

    async def every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> NoReturn:
        """Do what is done beside the streams, again and again. A fault of it ends the process as one of the streams does."""
        while True:
            try:
                await work()
            except LASTING as fault:
                await self._end_for(fault)
            except JudgedElsewhere as fault:
                log.info("what is done beside judging goes on with what another worker did", reason=str(fault))
            except INTERRUPTED as fault:
                log.warning("what is done beside judging was interrupted", reason=repr(fault))
            except Exception as fault:
                log.exception("what is done beside judging failed; this process ends", reason=repr(fault))
                self._end(UNJUDGEABLE)
            await asyncio.sleep(seconds)

    async def follow(self, app: Any) -> NoReturn:
        """Run Faust's app. Its consumer has a thread that the interpreter waits for: after a fault, that thread would keep the
        process and its partitions for ever, and nothing would be judged. So whatever ends this ends the process, and so does
        being cancelled."""
        try:
            await app.maybe_start()
            await app.wait_until_stopped()
            log.error("the app stopped; this process ends")
        except Exception as fault:
            log.exception("the app failed; this process ends", reason=repr(fault))
        finally:
            self._end(BEGUN_ANEW)

    async def _end_for(self, fault: OutOfRange | Unreadable | RowsChanged | LossAccepted) -> NoReturn:
        match fault:
            case OutOfRange() | Unreadable():
                log.error("the log does not go on from what was judged; this process ends", reason=str(fault))
                self._end(LOG_BROKEN)
            case RowsChanged():
                log.error("somebody else wrote where alerts are counted; everything is judged anew", what=str(fault))
            case LossAccepted():
                log.warning("an operator accepted a loss; what is left is judged anew", what=str(fault))
            case _:
                assert_never(fault)
        try:
            await takeover.begin_anew(self._pool)
        finally:
            self._end(BEGUN_ANEW)
