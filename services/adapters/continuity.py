"""Notices that a partition no longer has the record that was read from it last.

A broker that failed may come back without records that it had acknowledged, or another one that lacks them may lead. Others come
in their place. Kafka's own client asks for the epoch of the leader then (KIP-320). aiokafka 0.14 does not: it goes on at its
offset, and whoever reads leaves out what came before that without a word. So when a partition is read by another connection than
before, what came is put back, and the last record is read again and compared first.

A broker that led, and is cut off from the others, ends before what was read since from the one that leads. So a record is missing
if it is missing where another broker confirms who leads.

Offsets have gaps where somebody wrote in a transaction: the broker marks its end at an offset of its own, and clients leave the
mark out. Whoever waits for the record before a topic's end would wait for ever, and a backup would shift what follows. So such an
offset is given on like the record of a stranger: with an empty value, which everybody counts and leaves out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import assert_never

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from domain.log.chain import digest
from domain.ports import OutOfRange, Unavailable, reason_of
from services.adapters.leaders import ConfirmedLeaders

ASK_WITHIN = 3.0
"""Seconds for a leader, and another broker that confirms it, to say where partitions begin and end."""


class AfterMissing(Enum):
    """What follows when a broker had no record at an offset."""

    READ_ON = auto()
    """A broker that leads has it: the last record is read again there, and compared."""
    PASS_OVER = auto()
    """A retention removed the record that was to be compared, and not the one after it."""
    OPEN_AGAIN = auto()
    """A broker that leads has it. Whoever asked another one begins anew."""
    LOST = auto()


def after_missing(asked: int, begin: int, end: int, *, compares: bool) -> AfterMissing:
    """`begin`, `end`: of the partition, at a confirmed leader. With `compares`, the offset that was asked for is that of the last
    record that was read."""
    if not compares:
        return AfterMissing.OPEN_AGAIN if begin <= asked <= end else AfterMissing.LOST
    if begin > asked + 1 or end <= asked:
        return AfterMissing.LOST
    return AfterMissing.PASS_OVER if begin == asked + 1 else AfterMissing.READ_ON


class Continuity:
    """Of one consumer. `known`: by partition, offset and digest of the record before its place. Without that, what
    the first fetch brings is believed."""

    def __init__(
        self, consumer: AIOKafkaConsumer, known: Mapping[TopicPartition, tuple[int, str]] | None = None
    ) -> None:
        self._consumer = consumer
        self._client: AIOKafkaClient = consumer._client
        self._sources: dict[TopicPartition, object] = {}
        self._last = dict(known or {})
        """Offset and digest of the record that was given on last."""
        self._compared: set[TopicPartition] = set()
        """Where the last record is being read again."""
        self._next = dict[TopicPartition, int]()
        """The offset that each partition is read from next, its marks of transactions included."""
        self._leaders = ConfirmedLeaders()

    def moved(self) -> set[TopicPartition]:
        """The partitions that are read by another connection than when this was asked before, or by none now. Ask after each
        fetch, also one that brought nothing."""
        found = set()
        for each in self._consumer.assignment():
            leader = self._client.cluster.leader_for_partition(each)
            source = self._client._conns.get((leader, ConnectionGroup.DEFAULT))
            if source is None or source is not self._sources.get(each):
                self._sources[each] = source
                found.add(each)
        return found

    async def fetch(
        self, *partitions: TopicPartition, within_ms: int, most: int
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        """The next records of these partitions, or of all; nothing if none came in that time. Raises OutOfRange, Unavailable."""
        for each in partitions or self._consumer.assignment():
            self._next.setdefault(each, self._place(each))
        while True:
            try:
                fetched = await self._consumer.getmany(*partitions, timeout_ms=within_ms, max_records=most)
                found = self._with_marks(fetched)
                checked = self._checked(found)
            except OffsetOutOfRangeError as fault:
                await self._require_there(fault)
            except KafkaError as fault:
                raise Unavailable(reason_of(fault)) from fault
            else:
                if checked or not found:
                    return checked

    def _place(self, where: TopicPartition) -> int:
        """Where aiokafka reads next. Its own `position` may wait for a broker."""
        found: int = self._consumer._subscription.subscription.assignment.state_value(where).position
        return found

    def _with_marks(
        self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord]]
    ) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        """These records, and one without a value for each offset that a mark has, also behind the last of them."""
        found = dict(fetched)
        for where, at in self._next.items():
            records, end = fetched.get(where, ()), self._place(where)
            if end - at > len(records):
                found[where] = _without_gaps(where, records, at, end)
            self._next[where] = end
        return found

    def _go_to(self, where: TopicPartition, offset: int) -> None:
        self._consumer.seek(where, offset)
        self._next[where] = offset

    def _checked(
        self, found: Mapping[TopicPartition, Sequence[ConsumerRecord]]
    ) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        """What of these records may be given on now. The others will be read once more. Raises OutOfRange."""
        moved = self.moved() & self._last.keys()
        for where in moved:
            self._go_to(where, self._last[where][0])
            self._compared.add(where)
        good = dict[TopicPartition, Sequence[ConsumerRecord]]()
        for where, records in found.items():
            if where in moved or not records:
                continue
            if where in self._compared:
                self._require_same(where, records[0])
                self._compared.discard(where)
                records = records[1:]
            if records:
                self._last[where] = records[-1].offset, digest(records[-1].value or b"")
                good[where] = records
        return good

    def _require_same(self, where: TopicPartition, again: ConsumerRecord) -> None:
        offset, known = self._last[where]
        if (again.offset, digest(again.value or b"")) != (offset, known):
            raise OutOfRange(
                f"{where.topic}/{where.partition} has another record at @{offset} than the one that was read there: brokers lost "
                "records that they had acknowledged, or the topic was replaced"
            )

    async def _require_there(self, fault: OffsetOutOfRangeError) -> None:
        """Raises OutOfRange if a partition does not have what was asked of it; Unavailable if its leader is not confirmed, or has
        it and another broker was asked."""
        asked: Mapping[TopicPartition, int] = fault.args[0]
        try:
            async with asyncio.timeout(ASK_WITHIN):
                bounds = await self._leaders.bounds(self._consumer, asked)
        except (KafkaError, TimeoutError) as unanswered:
            raise Unavailable(f"no broker confirms that a record is missing: {unanswered!r}") from unanswered
        for where, offset in asked.items():
            begin, end = bounds[where]
            match after_missing(offset, begin, end, compares=where in self._compared):
                case AfterMissing.READ_ON:
                    pass
                case AfterMissing.PASS_OVER:
                    self._go_to(where, offset + 1)
                    self._compared.discard(where)
                case AfterMissing.OPEN_AGAIN:
                    raise Unavailable(
                        f"a broker that does not lead {where.topic}/{where.partition} has no record at @{offset}"
                    )
                case AfterMissing.LOST:
                    removed = "; a retention removed records before they were read" if begin > offset else ""
                    raise OutOfRange(
                        f"{where.topic}/{where.partition} has no record at @{offset}: it begins at @{begin}, and "
                        f"its next record is @{end}{removed}"
                    ) from fault
                case unknown:
                    assert_never(unknown)


def _without_gaps(
    where: TopicPartition, records: Sequence[ConsumerRecord], begin: int, end: int
) -> list[ConsumerRecord]:
    """The records from offset `begin` up to before `end`, with one without a value where there is none. A mark has the time of
    the record behind it, or the present one."""
    found, at = list[ConsumerRecord](), begin
    for each in records:
        found += [_mark(where, offset, each.timestamp) for offset in range(at, each.offset)]
        found.append(each)
        at = each.offset + 1
    return found + [_mark(where, offset, int(time.time() * 1000)) for offset in range(at, end)]


def _mark(where: TopicPartition, offset: int, timestamp: int) -> ConsumerRecord:
    return ConsumerRecord(where.topic, where.partition, offset, timestamp, 0, None, None, None, -1, -1, ())
