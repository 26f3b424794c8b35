"""Offsets that a consumer group without members commits. They keep on Kafka how far something has come, with some text beside
each offset."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from domain.ports import Unavailable
from services.adapters.kafka import ASK_DEADLINE, administering, connection, discard
from services.settings import Settings

_FAULTS = (KafkaError, IllegalStateError, TimeoutError, OSError)


class CommittedOffsets:
    """The offsets of one group. The caller closes it."""

    def __init__(self, settings: Settings, group: str) -> None:
        self.group = group
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._assigned: set[TopicPartition] = set()

    async def read(self) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """Raises Unavailable; GroupAuthorizationFailedError if Kafka does not let us read it."""
        try:
            async with (
                asyncio.timeout(ASK_DEADLINE * 3),
                administering(self._settings, int(ASK_DEADLINE * 1000)) as client,
            ):
                found: Mapping[TopicPartition, OffsetAndMetadata] = await client.list_consumer_group_offsets(self.group)
                return found
        except GroupAuthorizationFailedError:
            raise
        except _FAULTS as fault:
            raise Unavailable(repr(fault)) from fault

    async def keep(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Raises Unavailable."""
        try:
            async with asyncio.timeout(ASK_DEADLINE * 3):
                consumer = await self._started(set(offsets))
                await consumer.commit(offsets)
        except _FAULTS as fault:
            await self.close()
            raise Unavailable(repr(fault)) from fault

    async def _started(self, parts: set[TopicPartition]) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **connection(self._settings), group_id=self.group, enable_auto_commit=False, auto_offset_reset="none"
            )
            try:
                await consumer.start()
            except BaseException:
                await discard(consumer)
                raise
            self._consumer, self._assigned = consumer, set()
        if not parts <= self._assigned:
            self._assigned |= parts
            self._consumer.assign(sorted(self._assigned))
            for each in self._assigned:
                self._consumer.seek(each, 0)
            self._consumer.pause(*self._assigned)  # the consumer reads nothing
        return self._consumer

    async def close(self) -> None:
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await discard(consumer)
