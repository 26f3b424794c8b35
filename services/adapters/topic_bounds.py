"""Where the partitions of topics begin and end, and all that is between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from domain.ports import Stored, Unavailable, reason_of
from services.adapters.kafka import ASK_DEADLINE, KafkaReader, asker, drop
from services.adapters.known_records import read_between
from services.adapters.leaders import ConfirmedLeaders
from services.settings import Settings

READ_AT_ONCE = 1000


async def ends(settings: Settings, topic: str) -> dict[int, int]:
    """For each partition of a topic: the offset of its next record. Raises Unavailable."""
    return {partition: end for partition, (_, end) in (await bounds(settings, topic)).items()}


async def bounds(settings: Settings, topic: str) -> dict[int, tuple[int, int]]:
    """For each partition of a topic: the first offset that is still there, and the offset of its next record.

    Raises Unavailable.
    """
    asking = TopicBounds(settings, topic)
    try:
        return (await asking.now())[topic]
    finally:
        await asking.close()


async def values_of(settings: Settings, topic: str, partition: int) -> AsyncGenerator[tuple[list[Stored], int], None]:
    """Yields (values, how many there are in all), from the first value of a partition to its present end. Raises
    OutOfRange, Unavailable."""
    start, end = (await bounds(settings, topic))[partition]
    async with aclosing(values_between(settings, topic, partition, start, end)) as batches:
        async for found in batches:
            yield found, end - start


async def values_between(
    settings: Settings, topic: str, partition: int, start: int, end: int, at_once: int = READ_AT_ONCE
) -> AsyncGenerator[list[Stored], None]:
    """The values of a partition from `start` up to before `end`, at most `at_once` at a time. Raises OutOfRange, Unavailable."""
    if start >= end:
        return
    reader = await KafkaReader(settings, topic, partition).open(start)
    try:
        async with aclosing(read_between(reader, start, end, at_once)) as batches:
            async for found in batches:
                yield found
    finally:
        await reader.close()


class TopicBounds:
    """Where the partitions of some topics begin and end, asked again and again: at leaders that other brokers confirm, where
    there are several. The client is kept, since connecting takes several times as long as an answer. After a question that
    failed, a new one is made."""

    def __init__(self, settings: Settings, *topics: str) -> None:
        self._settings = settings
        self._topics = topics
        self._asking: AIOKafkaConsumer | None = None
        self._leaders = ConfirmedLeaders()
        self._lock = asyncio.Lock()  # whoever gives up throws the client away, so nobody else may be using it

    async def now(self) -> dict[str, dict[int, tuple[int, int]]]:
        """By topic, for each partition: the first offset that is still there, and the offset of its next record. Raises
        Unavailable."""
        async with self._lock:
            try:
                async with asyncio.timeout(ASK_DEADLINE * 3):
                    if self._asking is not None:
                        with contextlib.suppress(KafkaError, OSError):  # its connection may be lost, and a new one work
                            return await self._ask(self._asking)
                        await self.close()
                    return await self._ask(await self._started())
            except (KafkaError, TimeoutError, OSError) as fault:
                await self.close()
                raise Unavailable(f"the broker does not answer: {reason_of(fault)}") from fault
            except BaseException:
                await self.close()
                raise

    async def _started(self) -> AIOKafkaConsumer:
        self._asking = await asker(self._settings, *self._topics)
        return self._asking

    async def _ask(self, consumer: AIOKafkaConsumer) -> dict[str, dict[int, tuple[int, int]]]:
        parts = {topic: sorted(consumer.partitions_for_topic(topic) or ()) for topic in self._topics}
        unknown = [topic for topic, found in parts.items() if not found]
        if unknown:  # not an answer: a topic without partitions would be taken for one without records
            raise UnknownTopicOrPartitionError(", ".join(unknown))
        partitions = [TopicPartition(topic, each) for topic, found in parts.items() for each in found]
        result: dict[str, dict[int, tuple[int, int]]] = {topic: {} for topic in self._topics}
        for each, found in (await self._leaders.bounds(consumer, partitions)).items():
            result[each.topic][each.partition] = found
        return result

    async def close(self) -> None:
        consumer, self._asking = self._asking, None
        if consumer is not None:
            await drop(consumer)
