"""Faust's transport: all records of a fetch come as one message, it says when they come by another connection, and how long the
broker holds each fetch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

from domain.ports import Stored
from services.adapters.kafka import FETCH_WAIT_MS, Producer
from services.adapters.topics import names
from services.alert_worker.faust_app import app_of
from services.alert_worker.faust_transport import SOON_MS
from services.settings import Settings
from tests.contracts.another_log import another_log
from tests.installation import Installation, eventually

PATIENCE = 40.0


@pytest.fixture
async def settings(installation: Installation) -> AsyncIterator[Settings]:
    """Another log on the same broker."""
    async with another_log(installation.settings, decision_partitions=2) as found:
        yield found


async def test_an_idle_worker_asks_seldom_and_one_that_leaves_records_untaken_asks_soon(settings: Settings) -> None:
    """A fetch leaves out the partition whose records are not taken yet, and the next records of that one wait until it ends."""
    taken: list[bytes] = []
    waits: list[int] = []

    async def take(_: int, records: Sequence[Stored]) -> None:
        taken.extend(each.value for each in records)

    async def until_asked_with(wait: int) -> None:
        waits.clear()
        await asyncio.to_thread(eventually, lambda: waits[-3:] == [wait] * 3, PATIENCE)

    producer, decisions = Producer(settings), names(settings).decisions
    app = app_of(settings, "one", take, take, lambda *_: None)
    await app.maybe_start()
    client = app.consumer._thread._consumer._client
    send = client.send

    async def noted(node: int, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest):
            waits.append(request._max_wait_ms)
        return await send(node, request, **options)

    client.send = noted
    try:
        await until_asked_with(FETCH_WAIT_MS)
        app.consumer.pause_partitions({TP(decisions, 0)})
        await producer.append(decisions, 0, b"not taken yet", ())
        await until_asked_with(SOON_MS)
        await producer.append(decisions, 1, b"taken", ())
        await asyncio.to_thread(eventually, lambda: taken == [b"taken"], PATIENCE)
        app.consumer.resume_partitions({TP(decisions, 0)})
        await asyncio.to_thread(eventually, lambda: taken == [b"taken", b"not taken yet"], PATIENCE)
        await until_asked_with(FETCH_WAIT_MS)
    finally:
        await app.stop()
        await producer.close()


async def test_it_says_when_records_come_by_another_connection(settings: Settings) -> None:
    """A broker that comes back, or another one that leads now, may have lost what was judged."""
    taken: dict[int, list[bytes]] = {0: [], 1: []}
    moved: list[tuple[int, int]] = []

    async def take(partition: int, records: Sequence[Stored]) -> None:
        taken[partition] += [each.value for each in records]

    async def until(partition: int, count: int) -> None:
        await asyncio.to_thread(eventually, lambda: len(taken[partition]) == count, PATIENCE)

    producer, decisions = Producer(settings), names(settings).decisions
    app = app_of(settings, "one", take, take, lambda *where: moved.append(where))
    await app.maybe_start()
    try:
        await producer.append(decisions, 0, b"first", ())
        await until(0, 1)
        await producer.append(decisions, 0, b"second", ())
        await until(0, 2)
        assert moved == []
        thread = app.consumer._thread
        for each in list(thread._consumer._client._conns.values()):
            thread.thread_loop.call_soon_threadsafe(each.close)
        await producer.append(decisions, 0, b"third", ())
        await until(0, 3)
        assert set(moved) == {(0, 2)}
        assert taken == {0: [b"first", b"second", b"third"], 1: []}
    finally:
        await app.stop()
        await producer.close()
