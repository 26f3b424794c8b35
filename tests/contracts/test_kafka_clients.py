"""How clients of aiokafka end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from aiokafka import TopicPartition

from services.adapters.kafka import administering, discard, drop, started
from services.settings import Settings
from tests.installation import Installation

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
