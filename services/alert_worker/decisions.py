"""The topic of decisions, judged partition by partition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from domain.alerts.engine.judge import Judge, Pair
from domain.alerts.health import Health
from domain.alerts.observed_call import call_of
from domain.alerts.rules import records_lost
from domain.log.authority import Authority
from domain.log.chain import digest
from domain.log.codec import RECORD_VERSION, Unreadable
from domain.ports import OutOfRange, Stored, Unavailable
from projections.log.entry import DECISIONS
from services.adapters.alert_publisher import Publisher
from services.adapters.known_records import read_known
from services.adapters.postgres import Pool
from services.alert_worker import positions
from services.alert_worker.books import Books, JudgedElsewhere, RowsChanged
from services.alert_worker.copies import SeenLanes
from services.alert_worker.followed import FollowedTopics
from services.alert_worker.judged_records import JudgedSpans
from services.alert_worker.key_ages import Ages
from services.alert_worker.positions import JudgedUpTo
from services.alert_worker.tally import PartitionTally, SourcedCandidate
from services.alert_worker.voids import Voids
from services.logs import logger_of

log = logger_of("alerts")

READ = 500
SETTLED_AFTER = 10.0
"""Seconds after which a broker is believed that lacks what was judged. A client asks for the leaders each METADATA_AGE_MS."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """The record before `offset` has to be compared again. `since`: by the monotonic clock."""

    offset: int
    since: float


class JudgedDecisions:
    """`decisions` judged, partition by partition."""

    def __init__(
        self,
        topics: FollowedTopics,
        pool: Pool,
        books: Books,
        judge: Callable[[], Judge],
        publisher: Publisher,
        voids: Voids,
        authority: Callable[[], Awaitable[Authority]],
        ages: Ages,
    ) -> None:
        self._keys = books.keys
        self._books = books
        self._voids = voids
        self._authority = authority
        self._topics = topics
        self._topic = topics.decisions
        self._pool = pool
        self._judge = judge
        self._publisher = publisher
        self._counter = PartitionTally(pool, books, judge, publisher, ages)
        self._next: dict[int, int] = {}
        self._lanes: dict[int, SeenLanes] = {}
        """As far as each partition is judged; none for one that is being judged, or was when that was interrupted."""
        self._compared: set[int] = set()
        self._doubts: dict[int, Doubt] = {}
        self._one_at_a_time = asyncio.Lock()

    async def catch_up(self, partition: int, end: int) -> None:
        """Judge the records of a partition before `end` that Faust did not hand over. Raises INTERRUPTED, Unreadable."""
        async with self._one_at_a_time:
            while (start := await self._start(partition)) < end:
                await self._read_up_to(partition, start, end)

    async def _start(self, partition: int) -> int:
        """The offset up to which a partition is judged. Raises RowsChanged, JudgedElsewhere, INTERRUPTED."""
        start, doubt = self._next.get(partition), self._doubts.get(partition)
        doubted = doubt is not None and start is not None and start >= doubt.offset
        if start is None or doubted or partition not in self._lanes:
            kept = await positions.believed(self._pool, self._books, (DECISIONS, partition))
            compares = partition not in self._compared or (doubt is not None and kept.next >= doubt.offset)
            told = doubt if partition in self._compared else None
            judged = await self._judged(partition, kept, told, compares=compares)
            self._compared.add(partition)
            if compares and self._doubts.get(partition) is doubt:
                self._doubts.pop(partition, None)
            await self._keys.know_those_of(each.value for each in judged)
            authority, lanes = await self._authority(), SeenLanes()
            for each in judged:
                if authority.believes(self._keys, DECISIONS, partition, each.offset, each.value):
                    lanes.takes(_document(each.value) or {})
            self._lanes[partition] = lanes
            start = self._next[partition] = kept.next
        return start

    def compare_again(self, partition: int, offset: int) -> None:
        """Before the record at `offset` of a partition is judged, compare what was judged last with the topic. Its brokers may
        have lost that, and have other records in its place, which would never be judged."""
        self._doubts[partition] = Doubt(offset, time.monotonic())

    async def _judged(self, partition: int, kept: JudgedUpTo, doubt: Doubt | None, *, compares: bool) -> list[Stored]:
        """The last records that were judged. With `compares` it is checked that the topic goes on from them. Raises RowsChanged:
        a restored log may be shorter, and would then count as judged up to an offset that it only reaches later."""
        if not kept.next:
            return []
        start, end = (await self._topics.bounds()).get(partition, (0, 0))
        if end < kept.next:
            if compares:
                self._require_settled(partition, doubt)
                summary = f"{self._topic}/{partition} ends before @{kept.next - 1}, which was judged"
                await self._broken(partition, kept, summary)
            return []
        found = await self._between(partition, max(start, kept.next - READ), kept.next)
        last = found[-1] if found and found[-1].offset == kept.next - 1 else None
        if last is None and compares and start < kept.next:
            raise Unavailable(f"{self._topic}/{partition} has @{kept.next - 1}, and it cannot be read")
        if compares and kept.digest and last is not None and digest(last.value) != kept.digest:
            self._require_settled(partition, doubt)
            summary = f"the record at @{kept.next - 1} of {self._topic}/{partition} is not the one that was judged"
            await self._broken(partition, kept, summary)
        return found

    def _require_settled(self, partition: int, doubt: Doubt | None) -> None:
        """Raises Unavailable while another broker may lead than the one that was asked: a former leader does not know that it
        leads no longer, and the topic may end earlier there."""
        if doubt is not None and time.monotonic() < doubt.since + SETTLED_AFTER:
            raise Unavailable(
                f"a broker that may lead no longer does not have what was judged of {self._topic}/{partition}"
            )

    async def _between(self, partition: int, first: int, end: int) -> list[Stored]:
        """The records of a partition from `first` up to before `end`, which are there unless they are gone meanwhile."""
        found: list[Stored] = []
        if first >= end:
            return found
        reader = await self._topics.reader(partition, first)
        try:
            while not found or found[-1].offset < end - 1:
                found += await read_known(reader, READ)
        except OutOfRange:
            pass
        finally:
            await reader.close()
        return [each for each in found if each.offset < end]

    async def _broken(self, partition: int, kept: JudgedUpTo, summary: str) -> NoReturn:
        where = f"{DECISIONS}/{partition} {kept.next} {kept.digest}"
        await self._publisher.publish_break(self._judge(), where, summary)
        raise RowsChanged(summary)

    async def take(self, partition: int, records: Sequence[Stored]) -> None:
        """Judge records, in order. When this returns, all of them are judged and kept. Raises INTERRUPTED, Unreadable."""
        async with self._one_at_a_time:
            while records:
                start = await self._start(partition)
                records = [each for each in records if each.offset >= start]
                if not records:
                    return
                if records[0].offset > start:
                    log.warning("records were passed over; reading them", partition=partition, first=start)
                    await self._read_up_to(partition, start, records[0].offset)
                    continue
                doubt = self._doubts.get(partition)
                end = records[-1].offset + 1 if doubt is None else doubt.offset
                if await self._batch(partition, start, [each for each in records if each.offset < end]):
                    records = [each for each in records if each.offset >= end]

    async def _batch(self, partition: int, start: int, records: Sequence[Stored]) -> bool:
        judge, spans = self._judge(), JudgedSpans(DECISIONS, partition)
        lanes = self._lanes.pop(partition)
        candidates: list[SourcedCandidate] = []
        pairs: list[Pair] = []
        await self._keys.know_those_of(each.value for each in records)
        authority = await self._authority()
        for each in records:
            if not authority.believes(self._keys, DECISIONS, partition, each.offset, each.value):
                self._voids.count(DECISIONS, partition, each.offset, time.time_ns() // 1000)
                continue
            document = _document(each.value)
            call = call_of(document) if document is not None and lanes.takes(document) else None
            if call is None:
                continue
            spans.note(call.id, call.at, each.offset)
            source = {"topic": DECISIONS, "partition": partition, "offset": each.offset, "call": call.id}
            candidates += [(found, call.at, source) for found in judge.candidates(call)]
            pairs += judge.pairs(call, source)
        if strange := self._voids.alerts(judge):
            await self._publisher.publish(strange)
        to = JudgedUpTo(records[-1].offset + 1, digest(records[-1].value))
        judged = await self._settle(partition, start, to, candidates, pairs)
        if judged:
            self._lanes[partition] = lanes
            spans.end()
        return judged

    async def _settle(
        self, partition: int, start: int, to: JudgedUpTo, candidates: Sequence[SourcedCandidate], pairs: Sequence[Pair]
    ) -> bool:
        """Count, and move the partition on. False if another worker has judged these records first; then nothing is counted."""
        self._next.pop(partition, None)
        part = (DECISIONS, partition)
        try:
            if not await self._counter.passed(part, start, to, candidates, pairs):
                async with self._counter.holding(part, start) as held:
                    await held.settle(to, candidates, pairs)
        except JudgedElsewhere:
            return False
        self._next[partition] = to.next
        return True

    async def _read_up_to(self, partition: int, start: int, offset: int) -> None:
        """Judge the records that Faust passed over: they are read from the topic itself. An alert says which of them are gone
        from it."""
        reader = await self._topics.reader(partition, start)
        try:
            try:
                found = await reader.read(READ)
            except OutOfRange:
                await self._lost(partition, start, offset)
                return
            first = found[0].offset
            if first > start:
                await self._lost(partition, start, first)
            await self._batch(
                partition,
                self._next.get(partition, start),
                [each for each in found if each.offset < offset],
            )
        finally:
            await reader.close()

    async def _lost(self, partition: int, start: int, first: int) -> None:
        summary = f"records {start} to {first - 1} of partition {partition} of {self._topic} were gone before they were judged"
        log.error("records were gone before they were judged", partition=partition, first=start, last=first - 1)
        health = Health(records_lost.RULE, f"{partition}@{start}", time.time_ns() // 1000, summary)
        await self._publisher.publish(self._judge().of_health(health))
        await self._settle(partition, start, JudgedUpTo(first), (), ())


def _document(value: bytes) -> dict[str, Any] | None:
    """The record, None if the value is none; the projections leave such values out too. Raises Unreadable."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    if document.get("v") != RECORD_VERSION:
        raise Unreadable(f"a decision of version {document.get('v')!r}: a newer Keytrail wrote it")
    return document
