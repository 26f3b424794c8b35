"""Notices that a partition no longer has the record that was read from it last.

A broker that failed may come back without records that it had acknowledged, or another one that lacks them may lead. Others come
in their place. Kafka's own client asks for the epoch of the leader then (KIP-320). aiokafka 0.14 does not: it goes on at its
offset, and whoever reads leaves out what came before that without a word. So when a partition is read by another connection than
before, what came is put back, and the last record is read again and compared first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from domain.log.chain import digest
from domain.ports import OutOfRange, Unavailable

ASKED_WITHIN = 3.0


class Continuity:
    """Of one consumer. `strict`: where a partition is read by another connection before any record of it was read, nothing can
    be compared. Then Unavailable is raised, and whoever reads begins again with another consumer: he kept the last record's
    digest, and compares it."""

    def __init__(self, consumer: AIOKafkaConsumer, *, strict: bool = False) -> None:
        self._consumer, self._strict = consumer, strict
        self._client: AIOKafkaClient = consumer._client
        self._sources: dict[TopicPartition, object] = {}
        self._last: dict[TopicPartition, tuple[int, str]] = {}
        """Offset and digest of the record that was given on last."""
        self._compared: set[TopicPartition] = set()
        """Where the last record is being read again."""

    async def begin(self, partitions: Collection[TopicPartition]) -> None:
        """Where `strict`, notes by which connections the partitions are read before any record is. Raises Unavailable."""
        if not self._strict:
            return
        try:
            async with asyncio.timeout(ASKED_WITHIN):
                for topic in {each.topic for each in partitions}:
                    await self._client._wait_on_metadata(topic)
                leaders = {self._client.cluster.leader_for_partition(each) for each in partitions}
                for leader in leaders - {None, -1}:
                    await self._client.ready(leader)
        except (KafkaError, TimeoutError, OSError) as fault:
            raise Unavailable(f"the brokers do not say who leads: {fault!r}") from fault
        self._sources = {each: self._source(each) for each in partitions}

    def _source(self, partition: TopicPartition) -> object:
        """The connection by which a partition is read; None if there is none now."""
        leader = self._client.cluster.leader_for_partition(partition)
        return self._client._conns.get((leader, ConnectionGroup.DEFAULT))

    def checked(
        self, found: Mapping[TopicPartition, Sequence[ConsumerRecord]]
    ) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        """What of these records may be given on now. The others come again. Raises OutOfRange; Unavailable where `strict`."""
        elsewhere = self.moved(found)
        if self._strict and elsewhere - self._last.keys():
            named = _named(min(elsewhere - self._last.keys()))
            raise Unavailable(f"{named} is read by another connection than before, and may have lost records")
        good = dict[TopicPartition, Sequence[ConsumerRecord]]()
        for where, records in found.items():
            if where in elsewhere and where in self._last:
                self._consumer.seek(where, self._last[where][0])
                self._compared.add(where)
                continue
            if where in self._compared:
                self._require_same(where, records[0])
                self._compared.discard(where)
                records = records[1:]
            if records:
                self._last[where] = records[-1].offset, digest(records[-1].value or b"")
                good[where] = records
        return good

    def moved(self, partitions: Collection[TopicPartition]) -> set[TopicPartition]:
        """Those that are read by another connection than when this was asked before, or by none now."""
        found = set()
        for each in partitions:
            source = self._source(each)
            if source is None or source is not self._sources.get(each):
                self._sources[each] = source
                found.add(each)
        return found

    def _require_same(self, where: TopicPartition, again: ConsumerRecord) -> None:
        offset, known = self._last[where]
        if (again.offset, digest(again.value or b"")) != (offset, known):
            raise OutOfRange(
                f"{_named(where)} has another record at @{offset} than the one that was read there: brokers lost records that "
                "they had acknowledged, or the topic was replaced"
            )

    async def goes_on(self, fault: OffsetOutOfRangeError) -> bool:
        """Whether reading goes on after this fault: a retention removed the record that was to be compared, and not the one after
        it. Raises Unavailable."""
        asked = [each for each in fault.args[0] if each in self._compared]
        if not asked:
            return False
        try:
            firsts = await self._consumer.beginning_offsets(asked)
        except KafkaError as unanswered:
            raise Unavailable(str(unanswered)) from unanswered
        for where in asked:
            behind = self._last[where][0] + 1
            if firsts[where] != behind:
                return False
            self._consumer.seek(where, behind)
            self._compared.discard(where)
        return True


def _named(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
