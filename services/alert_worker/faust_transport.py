"""Faust's Kafka transport, changed to hand on all records that a fetch brought of a partition as one message.

Faust makes an event and two tasks for every message. With a message for every record, that was two thirds of an alert worker's
cost. Here a message is a `Sequence[Stored]`, at the offset of its last record; Faust counts the records before it as read.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka

from domain.ports import Stored
from services.adapters.continuity import Continuity
from services.adapters.kafka import FETCH_WAIT_MS
from services.runtime.processes import pause_after

SOON_MS = 100
"""How long the broker holds a fetch that leaves out a partition, because its last records are not taken yet. New records of that
partition wait until the fetch ends (1,500 ms by Faust's default)."""
AT_ONCE = 500
"""The most records in one answer, over all partitions."""


class GatheringThread(aiokafka.AIOKafkaConsumerThread):
    _next = 0.0
    _continuity: Continuity
    _has_read: set[TopicPartition]

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        self._continuity, self._has_read = Continuity(consumer), set()
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        _set_wait_of_each_fetch(self._ensure_consumer()._fetcher)

    async def getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's signature
        left = self._next - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)
        if active_partitions is not None and len(active_partitions) < len(self.assignment()):
            # A fetch waits until its stream has room. It would also delay the records of the others, for a second.
            timeout = min(timeout, SOON_MS / 1000)
        found = dict(await super().getmany(active_partitions, timeout))
        transport: Any = self.transport
        for each in self._continuity.moved() & self._has_read:
            # What comes next is read again by the new connection. Before that come fetches that wait for their stream.
            offset: Any = found.pop(each)[0].offset if each in found else await self.position(each)
            await self.seek_wait({each: offset})
            transport.on_moved(each.topic, each.partition, offset)
        self._has_read |= found.keys()
        count = sum(map(len, found.values()))
        if 1 < count < AT_ONCE:
            self._next = time.monotonic() + pause_after(count)
        return {partition: [_gathered(records)] for partition, records in found.items() if records}


def _set_wait_of_each_fetch(fetcher: Any) -> None:
    """The broker holds a fetch for FETCH_WAIT_MS, or for SOON_MS if it leaves out a partition. aiokafka has one wait for all of
    them, which it reads when it makes a fetch."""
    make_fetches = fetcher._get_actions_per_node

    def make_fetches_with_their_wait(assignment: Any) -> Any:
        leaves_out = not fetcher._records.keys().isdisjoint(assignment.tps)
        fetcher._fetch_max_wait_ms = SOON_MS if leaves_out else FETCH_WAIT_MS
        return make_fetches(assignment)

    fetcher._get_actions_per_node = make_fetches_with_their_wait


def _gathered(records: Sequence[Any]) -> Any:
    stored = [Stored(each.offset, each.value or b"", (each.timestamp or 0) * 1000) for each in records]
    return dataclasses.replace(records[-1], value=stored)


class GatheringConsumer(aiokafka.Consumer):
    def _new_consumer_thread(self) -> GatheringThread:
        return GatheringThread(self, loop=self.loop, beacon=self.beacon)


class GatheringTransport(aiokafka.Transport):
    """`on_moved` is told the topic, partition and offset from which on records come by another connection than those before."""

    Consumer = GatheringConsumer

    def __init__(self, *arguments: Any, on_moved: Callable[[str, int, int], None], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.on_moved = on_moved
