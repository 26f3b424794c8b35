"""An alert worker that cannot go on ends, whichever of its tasks finds out, and is started again."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn

import pytest

from domain.log.authenticity import KeyMissing
from domain.log.codec import Unreadable
from domain.ports import OutOfRange, Stored
from services.adapters import topics
from services.adapters.kafka import Producer
from services.alert_worker.faust_app import app_of
from services.alert_worker.streams import BEGUN_ANEW, LOG_BROKEN, UNJUDGEABLE, JudgedStreams
from services.settings import Settings
from tests.contracts.another_log import another_log
from tests.installation import Installation

NOTHING: Any = None
PATIENCE = 40.0
"""Seconds within which a process ends that took a second to start. One that waits for a thread never does."""


class Ended(BaseException):
    """In place of a process's end."""


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (OutOfRange("the log ends early"), LOG_BROKEN),
        (Unreadable("a newer Keytrail wrote it"), LOG_BROKEN),
        (KeyMissing("k1"), UNJUDGEABLE),
        (ZeroDivisionError("a fault of ours"), UNJUDGEABLE),
    ],
)
async def test_what_is_done_beside_judging_ends_the_process_as_judging_does(fault: Exception, code: int) -> None:
    """Of the tasks that look at the log, any may be the first to find out that brokers lost its tail."""
    codes: list[int] = []

    def end(status: int) -> NoReturn:
        codes.append(status)
        raise Ended

    async def finds_out() -> None:
        raise fault

    streams = JudgedStreams(NOTHING, NOTHING, NOTHING, end)
    with pytest.raises(Ended):
        await streams.every(0.0, finds_out)
    assert codes == [code]


@pytest.fixture
async def settings(installation: Installation) -> AsyncIterator[Settings]:
    """Another log on the same broker."""
    async with another_log(installation.settings, decision_partitions=1) as found:
        yield found


async def test_a_fault_ends_the_process_although_fausts_thread_is_at_work(settings: Settings) -> None:
    """The interpreter waited for that thread: the worker kept its partitions, judged nothing, and nobody started it again."""
    producer = Producer(settings)
    await producer.append(topics.names(settings).events, 0, b"a record", ())
    await producer.close()
    process = multiprocessing.get_context("spawn").Process(target=fails_beside_faust, args=(settings,))
    process.start()
    try:
        await asyncio.to_thread(process.join, PATIENCE)
        assert process.exitcode == BEGUN_ANEW
    finally:
        process.kill()
        process.join()


def fails_beside_faust(settings: Settings) -> None:
    """A process: one task runs Faust, and the other one fails as soon as Faust's thread has brought a record."""
    asyncio.run(_fails_beside_faust(settings))


async def _fails_beside_faust(settings: Settings) -> None:
    came = asyncio.Event()

    async def take(_: int, records: Sequence[Stored]) -> None:
        came.set()

    async def fails() -> None:
        await came.wait()
        raise ZeroDivisionError("a fault of ours")

    app = app_of(settings, "one", take, take, lambda *_: None)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(JudgedStreams(NOTHING, NOTHING, NOTHING, os._exit).follow(app))
        tasks.create_task(fails())
