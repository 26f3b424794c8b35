"""Batches of the log and the decisions as entries, in order within each partition, void records left out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from domain.ports import OutOfRange, Unavailable
from domain.trail.chain import Chain
from domain.trail.codec import RECORD_VERSION, Unreadable, event_from
from projections.entry import ALERTS, DECISIONS, EVENTS, Entry
from services.adapters.kafka import FETCH_WAIT_MS, connection
from services.adapters.topics import names
from services.projector.writing import Partition
from services.settings import Settings

GATHER_MS = 100


def _without_nul(value: Any) -> Any:
    """A document with U+FFFD for U+0000, which JSON and KMS allow in some texts and Postgres in none.

    A caller who sends one must not stop the projections; the log keeps what was sent.
    """
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return value


@dataclass(slots=True)
class Batch:
    """`reached`: the next offset of each partition after this batch. `head`: digest of the last valid event."""

    entries: list[Entry] = field(default_factory=list)
    reached: dict[Partition, int] = field(default_factory=dict)
    head: str = ""
    voids: int = 0


class Feed:
    """One consumer over every partition of `events`, `decisions` and `alerts`, by assignment."""

    def __init__(self, settings: Settings, partitions: int, region: str) -> None:
        topics = names(settings)
        self._settings = settings
        self._region = region
        self._topics = {topics.events: EVENTS, topics.decisions: DECISIONS, topics.alerts: ALERTS}
        self._all = [TopicPartition(topics.events, 0), TopicPartition(topics.alerts, 0)] + [
            TopicPartition(topics.decisions, number) for number in range(partitions)
        ]
        self._consumer: AIOKafkaConsumer | None = None
        self._chain = Chain()

    async def open(self, start: Mapping[Partition, int], head: str) -> None:
        """Begin at the offsets of `start` (0 where a partition is not named), with `head` as the chain's last digest."""
        consumer = AIOKafkaConsumer(
            **connection(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            # The broker gathers for a tenth of a second, in which less than this comes: a fetch and a transaction for
            # every few calls would take more of the machine than answering them.
            fetch_min_bytes=4_194_304,
            fetch_max_wait_ms=GATHER_MS,
            max_partition_fetch_bytes=8_388_608,
            retry_backoff_ms=50,
            metadata_max_age_ms=30_000,
        )
        try:
            async with asyncio.timeout(10):
                await consumer.start()
        except (KafkaError, TimeoutError, OSError) as fault:
            await consumer.stop()
            raise Unavailable(str(fault)) from fault
        consumer.assign(self._all)
        for each in self._all:
            consumer.seek(each, start.get((self._topics[each.topic], each.partition), 0))
        self._consumer = consumer
        self._chain = Chain(head, start.get((EVENTS, 0), 0) - 1)

    async def next(self, most: int) -> Batch:
        """The next records; an empty batch after half a second without any. Raises OutOfRange, Unreadable, Unavailable."""
        assert self._consumer is not None, "open comes first"
        try:
            found = await self._consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=most)
        except OffsetOutOfRangeError as fault:
            raise OutOfRange(str(fault)) from fault
        except KafkaError as fault:
            raise Unavailable(str(fault)) from fault
        batch = Batch()
        for partition, records in found.items():
            topic = self._topics[partition.topic]
            for record in records:
                entry = self._entry(topic, partition.partition, record.offset, record.value or b"")
                if entry is None:
                    batch.voids += 1
                else:
                    batch.entries.append(entry)
            if records:
                batch.reached[topic, partition.partition] = records[-1].offset + 1
        batch.head = self._chain.head
        return batch

    async def lag(self) -> dict[str, int]:
        """Records on each topic that were not read yet, by the last watermark seen."""
        assert self._consumer is not None, "open comes first"
        result = {EVENTS: 0, DECISIONS: 0, ALERTS: 0}
        for each in self._all:
            high = self._consumer.highwater(each)
            if high is not None:
                result[self._topics[each.topic]] += max(0, high - await self._consumer.position(each))
        return result

    def _entry(self, topic: str, partition: int, offset: int, value: bytes) -> Entry | None:
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(document, dict):
            return None
        if b"\\u0000" in value:
            document = _without_nul(document)
        if topic == EVENTS and not self._chain.accepts(offset, value, document.get("previous", "-")):
            return None
        if document.get("v") != RECORD_VERSION:
            raise Unreadable(f"a record of version {document.get('v')!r} on {topic}: a newer Keytrail wrote it")
        event = event_from(document["event"]) if topic == EVENTS and document["event"] is not None else None
        return Entry(topic, partition, offset, datetime.fromisoformat(document["at"]), self._region, document, event)

    async def close(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
