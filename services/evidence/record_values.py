"""Reads records at any places of the topics, as a proof needs them: a few of them, far apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError

from domain.ports import OutOfRange, Unavailable, reason_of
from domain.transparency.leaves import LeafPlace
from services.adapters.continuity import ASK_WITHIN
from services.adapters.kafka import discard, started
from services.adapters.leaders import ConfirmedLeaders
from services.adapters.record_topics import topics_read
from services.settings import Settings

FETCHED_BYTES = 65_536
"""One fetch: some hundred records. The broker sends at least one batch, however long it is."""
FETCH_WAIT_MS = 5
"""A record that is asked for is there, so a fetch that waits only keeps the next one of the same connection waiting."""
READ_ON = 500
"""So many records further on, reading on is faster than another fetch."""
PATIENCE = 5.0
"""Seconds without a record after which the topic counts as silent."""


class RecordValues:
    """One consumer, made at the first question and kept. One question at a time is answered."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._topics = settings, topics_read(settings)
        self._alone = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None
        self._leaders = ConfirmedLeaders()

    async def of(self, places: Iterable[LeafPlace]) -> dict[LeafPlace, bytes]:
        """The values at these places; one that is no longer on its topic is left out. Raises OutOfRange, Unavailable."""
        wanted: dict[TopicPartition, list[LeafPlace]] = {}
        for each in sorted(set(places), key=lambda place: place.position, reverse=True):
            wanted.setdefault(TopicPartition(self._topics[each.kind], each.partition), []).append(each)
        if not wanted:
            return {}
        async with self._alone:
            if self._consumer is None:
                self._consumer = await started(
                    self._settings,
                    fetch_max_wait_ms=FETCH_WAIT_MS,
                    max_partition_fetch_bytes=FETCHED_BYTES,
                    check_crcs=True,
                )
            try:
                return await self._read_what_is_there(self._consumer, wanted)
            except (KafkaError, IllegalStateError, TimeoutError) as fault:
                raise Unavailable(reason_of(fault)) from fault
            finally:  # otherwise it would go on to fetch what nobody asked for
                self._consumer.pause(*self._consumer.assignment())

    async def _read_what_is_there(
        self, consumer: AIOKafkaConsumer, wanted: dict[TopicPartition, list[LeafPlace]]
    ) -> dict[LeafPlace, bytes]:
        try:
            return await self._read(consumer, {partition: list(places) for partition, places in wanted.items()})
        except (
            OffsetOutOfRangeError
        ):  # a retention removed them; or a broker was asked that led before, and does not have them
            async with asyncio.timeout(ASK_WITHIN):
                bounds = await self._leaders.bounds(consumer, wanted)
        left: dict[TopicPartition, list[LeafPlace]] = {}
        for partition, places in wanted.items():
            begin, end = bounds[partition]
            if places[0].position >= end:
                raise OutOfRange(f"{partition.topic} ends at @{end}, before a record that was on it")
            if there := [each for each in places if each.position >= begin]:
                left[partition] = there
        return await self._read(consumer, left)

    async def _read(
        self, consumer: AIOKafkaConsumer, wanted: dict[TopicPartition, list[LeafPlace]]
    ) -> dict[LeafPlace, bytes]:
        """`wanted`: by partition, the places in falling order."""
        found: dict[LeafPlace, bytes] = {}
        known = consumer.assignment()
        if not wanted.keys() <= known:
            consumer.assign([*known, *(wanted.keys() - known)])
            consumer.pause(*consumer.assignment())
        for partition, places in wanted.items():
            consumer.seek(partition, places[-1].position)
        consumer.resume(*wanted)
        while wanted:
            read = await consumer.getmany(*wanted, timeout_ms=int(PATIENCE * 1000))
            if not read:
                raise Unavailable(f"{next(iter(wanted)).topic} does not answer")
            for partition, records in read.items():
                places = wanted[partition]
                for record in records:
                    while places and places[-1].position < record.offset:
                        places.pop()  # it was removed from the topic
                    if places and places[-1].position == record.offset:
                        found[places.pop()] = record.value or b""
                if not places:
                    del wanted[partition]
                    consumer.pause(partition)
                elif places[-1].position > records[-1].offset + READ_ON:
                    consumer.seek(partition, places[-1].position)
        return found

    async def close(self) -> None:
        if self._consumer is not None:
            await discard(self._consumer)
