"""Faust's transport: all records of a fetch come as one message, and it says when they come by another connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.ports import Stored
from services.adapters import topics
from services.adapters.kafka import Producer, administering
from services.adapters.topics import names
from services.alert_worker.faust_app import app_of
from services.settings import Settings
from tests.installation import Installation, eventually

PATIENCE = 40.0


@pytest.fixture
async def settings(installation: Installation) -> AsyncIterator[Settings]:
    """Another log on the same broker."""
    found = replace(installation.settings, topic_prefix=f"faust-{uuid4().hex[:8]}", decision_partitions=2)
    await topics.prepare(found, flush=False)
    yield found
    async with administering(found) as admin:
        await admin.delete_topics([each for each in await admin.list_topics() if each.startswith(found.topic_prefix)])


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
