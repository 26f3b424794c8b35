"""How clients of aiokafka end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from domain.ports import Unavailable
from services.adapters.committed_offsets import CommittedOffsets
from services.adapters.kafka import Producer, administering, discard, drop, started
from services.adapters.topics import names
from services.settings import Settings
from tests.installation import Installation, free_port

Ending = Coroutine[Any, Any, Any]
STEPS = 100
"""More turns of the loop than an end takes."""


async def consumer(settings: Settings, end: Callable[[Any], Ending]) -> Ending:
    found = await started(settings)
    found.assign([TopicPartition("somewhere", 0)])
    return end(found)


async def administrator(settings: Settings) -> Ending:
    entered = administering(settings)
    client = await entered.__aenter__()
    await client.list_topics()
    return entered.__aexit__(None, None, None)


ENDS: dict[str, Callable[[Settings], Awaitable[Ending]]] = {
    "a consumer that is dropped": lambda settings: consumer(settings, drop),
    "a consumer that is discarded": lambda settings: consumer(settings, discard),
    "an administrator": administrator,
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_task_that_is_cancelled_while_its_client_ends_is_cancelled(
    installation: Installation, end: str
) -> None:
    """At each of its steps. aiokafka took the cancellation for one of its own tasks', and an audit device went on that had been
    stopped."""
    for steps in range(1, STEPS):
        task = asyncio.create_task(await ENDS[end](installation.settings))
        for _ in range(steps):
            await asyncio.sleep(0)
        if task.done():
            assert steps > 1
            return
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), f"it went on after step {steps}"
    pytest.fail("it never ends")


PATIENCE = 20.0
Leaving = Callable[[Settings], Awaitable[Ending]]


async def go_away(client: AIOKafkaClient) -> None:
    """From the client's side: nobody listens any more where its brokers were."""
    known = client.cluster._brokers
    for number, broker in list(known.items()):
        known[number] = broker._replace(port=free_port())
    for each in list(client._conns.values()):
        each.close()
    with suppress(KafkaError):
        await client.send(next(iter(known)), None)


@pytest.fixture
async def settings(installation: Installation) -> AsyncIterator[Settings]:
    """Of another log on the same broker, which has its topic of decisions."""
    found = replace(installation.settings, topic_prefix=f"clients-{uuid4().hex[:8]}")
    async with administering(found) as admin:
        await admin.create_topics([NewTopic(names(found).decisions, 1, 1)])
    yield found
    async with administering(found) as admin:
        await admin.delete_topics([names(found).decisions])


async def a_consumer(settings: Settings, end: Callable[[Any], Ending]) -> Ending:
    found = await started(settings)
    where = TopicPartition(names(settings).decisions, 0)
    found.assign([where])
    found.seek(where, 0)
    await found._client._wait_on_metadata(where.topic)
    await go_away(found._client)
    for _ in range(3):  # each fetch fails at once, and waits before the next one
        await found._client.force_metadata_update()
    return end(found)


async def a_producer(settings: Settings) -> Ending:
    found = Producer(settings)
    await found.append(names(settings).decisions, 0, b"one", ())
    assert found._producer is not None
    await go_away(found._producer.client)
    with suppress(Unavailable):
        await found.append(names(settings).decisions, 0, b"another", ())
    return found.close()


async def an_administrator(settings: Settings) -> Ending:
    entered = administering(settings)
    client = await entered.__aenter__()
    await go_away(client._client)
    return entered.__aexit__(None, None, None)


async def a_member(settings: Settings) -> Ending:
    found = CommittedOffsets(settings, f"{settings.topic_prefix}-{uuid4().hex}")
    await found.keep({TopicPartition(names(settings).decisions, 0): (0, "")})
    assert found._consumer is not None
    await go_away(found._consumer._client)
    return found.close()


LEAVING: dict[str, Leaving] = {
    "a consumer that is dropped": lambda settings: a_consumer(settings, drop),
    "a consumer that is discarded": lambda settings: a_consumer(settings, discard),
    "a producer that missed a deadline": a_producer,
    "a member of a group": a_member,
    "an administrator": an_administrator,
}


@pytest.mark.parametrize("kind", LEAVING)
async def test_nothing_is_left_of_a_client_whose_brokers_are_away_as_it_ends(settings: Settings, kind: str) -> None:
    """What was left asked for the leaders every three seconds, and kept connections once the brokers were back: a process that
    followed the log through an outage kept one more client for each time that it tried again."""
    before = asyncio.all_tasks()
    for _ in range(1 if "producer" in kind else 5):
        await (await LEAVING[kind](settings))
    left = asyncio.all_tasks() - before
    _, pending = await asyncio.wait(left, timeout=PATIENCE) if left else (set(), set[asyncio.Task[Any]]())
    assert not pending
