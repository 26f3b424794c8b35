"""Calls counted towards alerts, with the position of the partition that they stand on, in one transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from domain.alerts.engine.alert import Alert
from domain.alerts.engine.judge import Candidate, Judge, Pair
from domain.alerts.health import Health
from domain.alerts.observed_call import ObservedCall, call_of
from domain.alerts.rules import records_lost
from domain.log.authority import Authority
from domain.log.chain import digest
from domain.log.codec import RECORD_VERSION, Unreadable
from domain.ports import OutOfRange, Stored
from projections.log.entry import DECISIONS
from services.adapters.kafka import ASK_DEADLINE, KafkaReader, bounds
from services.adapters.postgres import Pool
from services.adapters.topics import names
from services.alert_worker import tables
from services.alert_worker.books import Books, Changed, Elsewhere, Part
from services.alert_worker.counts import Counts
from services.alert_worker.key_ages import Ages
from services.alert_worker.tables import Locked, Reached, Written
from services.alert_worker.topic import Publisher
from services.alert_worker.voids import Voids
from services.logs import logger_of
from services.settings import Settings

log = logger_of("alerts")

READ = 500
Found = tuple[Candidate, int, Mapping[str, Any]]
"""With the time and the source of the record that it comes of."""


class Counter:
    """Counts in Postgres; what is enough is on the topic before the transaction is committed."""

    def __init__(self, pool: Pool, books: Books, judge: Callable[[], Judge], publisher: Publisher, ages: Ages) -> None:
        self._pool = pool
        self._books = books
        self._judge = judge
        self._publisher = publisher
        self._ages = ages
        # One stream's own: what a transaction has under way must not be taken for done when another's ends.
        self._counts = Counts()
        self._era = ""
        self._written: dict[Part, Written] = {}

    @asynccontextmanager
    async def holding(self, part: Part, first: int) -> AsyncIterator[Held]:
        """A partition that is judged up to `first`, which no other worker judges until this is over. What `Held` is told
        counts when it ends. Raises Elsewhere where it is judged up to another place, Changed, INTERRUPTED."""
        self._written.pop(part, None)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                locked = await tables.locked(connection, self._books, part)
                if self._era != self._books.era:  # the tables were emptied, and everything is judged anew
                    self._counts.forget()
                    self._era = self._books.era
                if locked.reached.next != first:
                    raise Elsewhere("another worker judged these records")
                yield Held(self, locked)
        except BaseException:
            self._counts.dropped()
            raise
        self._counts.committed()
        if locked.written is not None:
            self._keep(part, locked.written)

    async def passed(
        self, part: Part, first: int, to: Reached, candidates: Sequence[Found], pairs: Sequence[Pair]
    ) -> bool:
        """Whether a partition that is judged up to `first` could be moved on at once, since these records change no count:
        nearly all of a busy hour are such. Where this says no, `holding` tells why. Raises INTERRUPTED."""
        was = self._written.pop(part, None)
        if (
            was is None
            or was.reached.next != first
            or not self._counts.has_all([each for each, _, _ in candidates], pairs)
        ):
            return False
        written = await tables.passed(self._pool, self._books, part, was, to)
        if written is None:
            return False
        self._keep(part, written)
        return True

    def _keep(self, part: Part, written: Written) -> None:
        self._written[part] = written
        self._books.committed(part, written.reached.next)

    async def settle(self, locked: Locked, to: Reached, candidates: Sequence[Found], pairs: Sequence[Pair]) -> None:
        alerts = await self._reached(locked, candidates) + await self._first(locked, pairs)
        if alerts:
            await self._publisher.publish(alerts)
        await locked.move(to)

    async def _reached(self, locked: Locked, candidates: Sequence[Found]) -> list[Alert]:
        if not candidates:
            return []
        crossed = await self._counts.add(locked, [each for each, _, _ in candidates])
        by_window = {each.window_of: (each, at, source) for each, at, source in reversed(candidates)}
        judge = self._judge()
        return [judge.reached(*by_window[name]) for name in crossed]

    async def _first(self, locked: Locked, pairs: Sequence[Pair]) -> list[Alert]:
        new = await self._counts.new(locked, pairs) if pairs else []
        if not new:
            return []
        judge = self._judge()
        created = await self._ages.of(new, judge.least_age) if judge.least_age else {}
        found = [judge.first(each, created.get(each.key, 0)) for each in new]
        return [each for each in found if each is not None]


@dataclass(frozen=True, slots=True)
class Held:
    """A partition that one worker judges."""

    counter: Counter
    locked: Locked

    async def settle(self, to: Reached, candidates: Sequence[Found] = (), pairs: Sequence[Pair] = ()) -> None:
        """Judged up to `to`, with what is counted of it."""
        await self.counter.settle(self.locked, to, candidates, pairs)


class Decisions:
    """`decisions` judged, partition by partition."""

    def __init__(
        self,
        settings: Settings,
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
        self._settings = settings
        self._topic = names(settings).decisions
        self._pool = pool
        self._judge = judge
        self._publisher = publisher
        self._counter = Counter(pool, books, judge, publisher, ages)
        self._next: dict[int, int] = {}
        self._compared: set[int] = set()
        self._one_at_a_time = asyncio.Lock()

    async def catch_up(self, partition: int, end: int) -> None:
        """What stands on a partition before `end` and nobody told. Raises INTERRUPTED, Unreadable."""
        async with self._one_at_a_time:
            while (start := await self._start(partition)) < end:
                await self._read_up_to(partition, start, end)

    async def _start(self, partition: int) -> int:
        """Up to where a partition is judged. Raises Changed, Elsewhere, INTERRUPTED."""
        start = self._next.get(partition)
        if start is None:
            kept = await tables.believed(self._pool, self._books, (DECISIONS, partition))
            if partition not in self._compared:
                await self._compare(partition, kept)
                self._compared.add(partition)
            start = self._next[partition] = kept.next
        return start

    async def _compare(self, partition: int, kept: Reached) -> None:
        """That the topic goes on from what was judged. Raises Changed: a restored log may be shorter, and judged up to a place
        that it only comes to later."""
        if not kept.next:
            return
        start, end = (await bounds(self._settings, self._topic)).get(partition, (0, 0))
        if end < kept.next:
            await self._broken(
                partition, kept, f"{self._topic}/{partition} ends before @{kept.next - 1}, which was judged"
            )
        elif kept.digest and start < kept.next:
            found = await self._last(partition, kept.next - 1)
            if found is not None and digest(found.value) != kept.digest:
                summary = f"the record at @{kept.next - 1} of {self._topic}/{partition} is not the one that was judged"
                await self._broken(partition, kept, summary)

    async def _last(self, partition: int, offset: int) -> Stored | None:
        """The record at an offset, where it has not gone meanwhile."""
        reader = await KafkaReader(self._settings, self._topic, partition).open(offset)
        try:
            async with asyncio.timeout(ASK_DEADLINE * 3):
                found = (await reader.read(1))[0]
            return found if found.offset == offset else None
        except OutOfRange:
            return None
        finally:
            await reader.close()

    async def _broken(self, partition: int, kept: Reached, summary: str) -> NoReturn:
        where = f"{DECISIONS}/{partition} {kept.next} {kept.digest}"
        await self._publisher.publish_break(self._judge(), where, summary)
        raise Changed(summary)

    async def take(self, partition: int, records: Sequence[Stored]) -> None:
        """In order; all of them judged and kept when it returns. Raises INTERRUPTED, Unreadable."""
        async with self._one_at_a_time:
            while records:
                start = await self._start(partition)
                records = [each for each in records if each.offset >= start]
                if not records:
                    return
                if records[0].offset > start:
                    log.warning("records were passed over; reading them", partition=partition, first=start)
                    await self._read_up_to(partition, start, records[0].offset)
                elif await self._batch(partition, start, records):
                    return

    async def _batch(self, partition: int, start: int, records: Sequence[Stored]) -> bool:
        judge = self._judge()
        candidates: list[Found] = []
        pairs: list[Pair] = []
        await self._keys.know_those_of(each.value for each in records)
        authority = await self._authority()
        for each in records:
            if not authority.believes(self._keys, DECISIONS, partition, each.offset, each.value):
                self._voids.count(DECISIONS, partition, each.offset, time.time_ns() // 1000)
                continue
            call = _call(each.value)
            if call is None:
                continue
            source = {"topic": DECISIONS, "partition": partition, "offset": each.offset, "call": call.id}
            candidates += [(found, call.at, source) for found in judge.candidates(call)]
            pairs += judge.pairs(call, source)
        if strange := self._voids.alerts(judge):
            await self._publisher.publish(strange)
        to = Reached(records[-1].offset + 1, digest(records[-1].value))
        return await self._settle(partition, start, to, candidates, pairs)

    async def _settle(
        self, partition: int, start: int, to: Reached, candidates: Sequence[Found], pairs: Sequence[Pair]
    ) -> bool:
        """Whether it counts; where another worker was there first, it does not."""
        self._next.pop(partition, None)
        part = (DECISIONS, partition)
        try:
            if not await self._counter.passed(part, start, to, candidates, pairs):
                async with self._counter.holding(part, start) as held:
                    await held.settle(to, candidates, pairs)
        except Elsewhere:
            return False
        self._next[partition] = to.next
        return True

    async def _read_up_to(self, partition: int, start: int, offset: int) -> None:
        """What Faust passed over: records between, read from the topic itself, and what is gone from it told of."""
        reader = await KafkaReader(self._settings, self._topic, partition).open(start)
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
        await self._settle(partition, start, Reached(first), (), ())


def _call(value: bytes) -> ObservedCall | None:
    """Raises Unreadable. What is no record is nobody's call: projections leave it out too."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    if document.get("v") != RECORD_VERSION:
        raise Unreadable(f"a decision of version {document.get('v')!r}: a newer Keytrail wrote it")
    return call_of(document)
