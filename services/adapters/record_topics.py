"""Follows every partition of the three topics that hold records: `events`, `decisions` and `alerts`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from domain.log.authenticity import ALERTS, DECISIONS, EVENTS
from domain.ports import Unavailable
from services.adapters.continuity import ASK_WITHIN, Continuity
from services.adapters.kafka import FETCH_WAIT_MS, discard, started
from services.adapters.leaders import ConfirmedLeaders
from services.adapters.topics import names
from services.settings import Settings

AT_ONCE = 32
"""Records that are taken before their bytes are counted. One has a megabyte at most."""
BATCH_BYTES = 16_777_216
"""10,000 ordinary records have fewer bytes. A decision has up to 150,000 (an encryption context of control characters), so
without a bound whoever may call Encrypt decides how much memory a reader of decisions needs."""
IDLE = (1, FETCH_WAIT_MS)
"""The bytes that a fetch should bring, and the milliseconds that the broker waits for them, while no records arrive: the first
one is fetched at once, and the broker is asked twice a second."""
RECORD_KINDS = (EVENTS, DECISIONS, ALERTS)
KindAndNumber = tuple[str, int]
"""(kind of topic, number of the partition)"""


def topics_read(settings: Settings) -> dict[str, str]:
    """The name of each topic of records, by its kind."""
    found = names(settings)
    return {EVENTS: found.events, DECISIONS: found.decisions, ALERTS: found.alerts}


class FetchedRecord(Protocol):
    """A record of a partition, as it was fetched."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def value(self) -> bytes | None: ...


class FollowedRecords(Protocol):
    """Every partition of some kinds of topic, from given positions on: in order within each partition, each value once."""

    kinds: Collection[str]

    async def open(
        self,
        begins: Mapping[KindAndNumber, int],
        *,
        gathering: tuple[int, int] = IDLE,
        from_first: Collection[str] = (),
        last: Mapping[KindAndNumber, str] = MappingProxyType({}),
        **options: Any,
    ) -> Mapping[KindAndNumber, int]:
        """Reads a partition that `begins` does not name from 0 on; of the kinds `from_first`, from the first record that it still
        has. Returns where those of these kinds begin whose first records were removed. `last`: digests of the records before
        these places, which are compared. `gathering`: what IDLE is, while records arrive. Raises Unavailable."""
        ...

    async def next(
        self, most: int, within_ms: int, most_bytes: int = BATCH_BYTES
    ) -> Sequence[tuple[str, Sequence[FetchedRecord]]]:
        """The next records, by kind; nothing if none came in that time. Raises OutOfRange, Unavailable."""
        ...

    async def left(self) -> Sequence[tuple[str, int]]:
        """By partition: its kind, and how many of its records are not read yet, by the last end that was seen."""
        ...

    async def close(self) -> None: ...


class RecordTopics:
    """One consumer, by assignment. `partitions` are those of `decisions`; `kinds`: the kinds of topic to follow."""

    def __init__(self, settings: Settings, partitions: int, kinds: Collection[str] = RECORD_KINDS) -> None:
        topics = topics_read(settings)
        self._settings = settings
        self.kinds = kinds
        self._kinds = {topics[kind]: kind for kind in kinds}
        self.all = [
            TopicPartition(topics[kind], number)
            for kind in kinds
            for number in range(partitions if kind == DECISIONS else 1)
        ]
        self._consumer: AIOKafkaConsumer | None = None
        self._continuity: Continuity | None = None
        self._gathering = IDLE

    async def open(
        self,
        begins: Mapping[KindAndNumber, int],
        *,
        gathering: tuple[int, int] = IDLE,
        from_first: Collection[str] = (),
        last: Mapping[KindAndNumber, str] = MappingProxyType({}),
        **options: Any,
    ) -> dict[KindAndNumber, int]:
        """As the port says. `options` are aiokafka's."""
        self._gathering = gathering
        consumer = await started(
            self._settings, fetch_min_bytes=gathering[0], fetch_max_wait_ms=gathering[1], **options
        )
        self._consumer = consumer
        consumer.assign(self.all)
        try:
            asked = [each for each in self.all if self._kinds[each.topic] in from_first]
            async with asyncio.timeout(ASK_WITHIN):
                there = await ConfirmedLeaders().bounds(consumer, asked) if asked else {}
        except (KafkaError, TimeoutError) as fault:
            raise Unavailable(f"no broker says where topics begin: {fault!r}") from fault
        first = {each: begin for each, (begin, _) in there.items()}
        for each in self.all:
            consumer.seek(each, begins.get(self.named(each), first.get(each, 0)))
        known = {each: (begins[where] - 1, last[where]) for each in self.all if (where := self.named(each)) in last}
        self._continuity = Continuity(consumer, known)
        return {self.named(each): at for each, at in first.items() if at}

    def named(self, partition: TopicPartition) -> KindAndNumber:
        return self._kinds[partition.topic], partition.partition

    @property
    def consumer(self) -> AIOKafkaConsumer:
        assert self._consumer is not None, "open comes first"
        return self._consumer

    async def next(
        self, most: int, within_ms: int, most_bytes: int = BATCH_BYTES
    ) -> list[tuple[str, Sequence[ConsumerRecord]]]:
        """The next records of each partition, by kind; nothing if none came within so many milliseconds. No further ones are
        taken once there are `most_bytes`: what was fetched is compressed, and says little of how large it is. Raises OutOfRange,
        Unavailable."""
        assert self._continuity is not None, "open comes first"
        taken: list[tuple[str, Sequence[ConsumerRecord]]] = []
        count, size = 0, 0
        while count < most and size < most_bytes:
            at_once = min(AT_ONCE, most - count)
            found = await self._continuity.fetch(within_ms=0 if taken else within_ms, most=at_once)
            if not found:
                break
            taken += [(self._kinds[partition.topic], records) for partition, records in found.items()]
            count += sum(map(len, found.values()))
            size += sum(len(record.value or b"") for records in found.values() for record in records)
        fetcher = self.consumer._fetcher  # aiokafka has no other way to change these
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = self._gathering if taken else IDLE
        return taken

    async def left(self) -> list[tuple[str, int]]:
        """By partition: its kind, and how many of its records are not read yet, by the last watermark seen."""
        return [
            (self._kinds[each.topic], max(0, high - await self.consumer.position(each)))
            for each in self.all
            if (high := self.consumer.highwater(each)) is not None
        ]

    async def close(self) -> None:
        if self._consumer is not None:
            await discard(self._consumer)
