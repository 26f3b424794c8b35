"""The records for one device, from its position on; and the gaps, where Kafka has removed what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.log.chain import Chain, digest
from domain.log.lane import EveryPlace
from domain.ports import OutOfRange, Unavailable
from projections.log.entry import DECISIONS, EVENTS
from services.adapters.kafka import FETCH_WAIT_MS
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import KNOWN_WITHIN
from services.adapters.record_topics import RecordTopics, topics_read
from services.adapters.topic_bounds import TopicBounds
from services.adapters.topics import log_topic
from services.audit_devices.records import DeviceRecord, Gap, records_of
from services.projector.feed import Batch, EntryFeed
from services.projector.known_log import is_known
from services.projector.store import Partition, ReadTo
from services.settings import Settings

KINDS = (EVENTS, DECISIONS)
MOST = 2000
"""The most records of one batch."""
PARTITION_BYTES, BATCH_BYTES = 1_048_576, 8_388_608
"""The most bytes of a partition that are fetched at once, and the bytes of records with which a batch is complete. Each device
has its own consumer, and a record takes nine times its size on its way."""
ONE_RECORD = 65_536
"""The bytes of a partition that are fetched to see one record of it; a larger batch comes whole."""
GATHERING = (PARTITION_BYTES // 2, 100)
"""See EntryFeed: a broker that waited for more bytes than it may send would wait each time."""


class RecordsRemoved(Exception):
    """Kafka has removed what comes next, or has another record in the place of the one that was read last."""


@dataclass(slots=True)
class DeviceBatch:
    """`reached`: how far the topics are read with this batch, all partitions of them. `passed`: how many values it read."""

    records: list[DeviceRecord]
    reached: ReadTo
    passed: int = 0


@dataclass(slots=True)
class DeviceStart:
    """Where a device goes on, how many records wait there, and what Kafka has removed before that. `again`: partitions that no
    longer hold what the device read last."""

    reached: ReadTo
    waiting: int = 0
    gaps: list[Gap] = field(default_factory=list)
    again: list[Partition] = field(default_factory=list)


class DeviceFeed:
    def __init__(self, settings: Settings, partitions: int, keys: VaultKeyring) -> None:
        self._settings, self._partitions, self.keys = settings, partitions, keys
        self._feed: EntryFeed | None = None
        self._reached = ReadTo()

    async def open(self, start: ReadTo, now: Chain) -> None:
        """Raises Unavailable."""
        await self.close()
        topics = RecordTopics(self._settings, self._partitions, KINDS)
        self._feed = EntryFeed(topics, self._settings.region, self.keys, GATHERING, PARTITION_BYTES, BATCH_BYTES)
        self._reached = start
        await self._feed.open(start, now, EveryPlace())

    async def next(self) -> DeviceBatch:
        """The next records; an empty batch if none came within half a second. Raises RecordsRemoved, Unreadable,
        Unavailable."""
        assert self._feed is not None, "open comes first"
        try:
            batch: Batch = await self._feed.next(MOST)
        except OutOfRange as fault:
            raise RecordsRemoved(str(fault)) from fault
        if batch.has_only_void_events and not await is_known(
            log_topic(self._settings), batch.reached.on_log, self.keys
        ):
            raise RecordsRemoved(f"{EVENTS} does not have the last valid record that was read")
        found = records_of(batch.entries)
        offsets = self._reached.offsets | batch.reached.offsets
        last = self._reached.last | batch.reached.last
        self._reached = ReadTo(offsets, batch.reached.digest, batch.reached.authority, last=last)
        return DeviceBatch(found, self._reached, len(batch.entries) + batch.voids)

    async def waiting(self) -> int:
        """How many records are not read yet, by the last watermark seen."""
        assert self._feed is not None, "open comes first"
        return sum((await self._feed.lag()).values())

    @property
    def newest_chain(self) -> Chain:
        assert self._feed is not None, "open comes first"
        return self._feed.newest_chain

    async def close(self) -> None:
        if self._feed is not None:
            feed, self._feed = self._feed, None
            await feed.close()


async def first_start(settings: Settings) -> DeviceStart:
    """The first record of each partition that Kafka still has: where a device without a position begins. Raises Unavailable."""
    bounds = await _bounds(settings)
    offsets = {where: first for where, (first, _) in bounds.items()}
    return DeviceStart(ReadTo(offsets), _waiting(offsets, bounds))


async def start_now(settings: Settings, now: Chain) -> DeviceStart:
    """The end of the topics, and which records stand before it: a partition that is replaced before the device has read a record
    of it is known by those. `now` is the chain at the log's end. Raises Unavailable."""
    bounds = await _bounds(settings)
    offsets = {where: end for where, (_, end) in bounds.items()}
    last = {where: found for where, (_, found) in (await _records_before(settings, offsets, bounds)).items()}
    return DeviceStart(ReadTo(offsets | {(EVENTS, 0): now.position + 1}, now.head, now.authority, last=last))


async def start_after(settings: Settings, reached: ReadTo, keys: VaultKeyring) -> DeviceStart:
    """Where a device goes on that has come so far. Raises OutOfRange if that cannot be said; Unavailable.

    A partition that ends before the device's place, or has another record there than the one that the device read last, was
    replaced, or its brokers lost records that they had acknowledged. It is read again from its first record on: that writes some
    records twice, and leaves none out. A position may lack the digest of the record before a place. The record there is believed
    then, and known from now on.
    """
    cut = not await is_known(log_topic(settings), reached.on_log, keys)
    bounds = await _bounds(settings)
    offsets, last, gaps, again = dict(reached.offsets), dict(reached.last), [], []
    other = set[Partition]()
    for where, (at, found) in (await _records_before(settings, offsets, bounds)).items():
        if (at, last.setdefault(where, found)) != (offsets[where] - 1, found):
            other.add(where)
    if cut:
        other.add((EVENTS, 0))
    for where, (first, end) in bounds.items():
        place = offsets.get(where, 0)
        if where[0] == EVENTS and place < first:
            raise OutOfRange(f"{EVENTS} begins at {first}, and an audit device is at {place}")
        if where[0] == EVENTS and place > end and not cut:  # `is_known` asked the leader that another broker confirms
            raise Unavailable(f"a broker says that {EVENTS} ends at {end}, and another that it holds {place - 1}")
        if place < first:
            gaps.append(Gap(*where, place, first))
            offsets[where] = first
        elif place > end or where in other:
            again.append(where)
            offsets[where] = first
        if offsets.get(where) != place:
            last.pop(where, None)
    on = ReadTo(offsets, last=last) if cut else ReadTo(offsets, reached.digest, reached.authority, last=last)
    return DeviceStart(on, _waiting(offsets, bounds), gaps, again)


async def _records_before(
    settings: Settings, offsets: Mapping[Partition, int], bounds: Mapping[Partition, tuple[int, int]]
) -> dict[Partition, tuple[int, str]]:
    """The offset and digest of the record before each of these places in `decisions`, where Kafka still has it. One consumer asks
    for all of them. Raises Unavailable."""
    asked = {
        where: offsets[where] - 1
        for where, (first, end) in bounds.items()
        if where[0] == DECISIONS and where in offsets and first < offsets[where] <= end
    }
    if not asked:
        return {}
    ends = {where: end for where, (_, end) in bounds.items()}
    count = 1 + max(partition for topic, partition in bounds if topic == DECISIONS)
    topics = RecordTopics(settings, count, (DECISIONS,))
    found: dict[Partition, tuple[int, str]] = {}
    try:
        await topics.open(ends | asked, max_partition_fetch_bytes=ONE_RECORD)
        async with asyncio.timeout(KNOWN_WITHIN):
            while asked.keys() - found.keys():
                for topic, records in await topics.next(MOST, FETCH_WAIT_MS):
                    first = records[0]
                    found.setdefault((topic, first.partition), (first.offset, digest(first.value or b"")))
    except (OutOfRange, TimeoutError) as fault:  # its records went meanwhile: the next start asks anew
        raise Unavailable(f"the records before an audit device's place cannot be asked for: {fault!r}") from fault
    finally:
        await topics.close()
    return {where: found[where] for where in asked}


def _waiting(offsets: Mapping[Partition, int], bounds: Mapping[Partition, tuple[int, int]]) -> int:
    return sum(max(0, end - offsets.get(where, 0)) for where, (_, end) in bounds.items())


async def _bounds(settings: Settings) -> dict[Partition, tuple[int, int]]:
    topics = topics_read(settings)
    asking = TopicBounds(settings, *(topics[kind] for kind in KINDS))
    try:
        found = await asking.now()
        return {(kind, each): bounds for kind in KINDS for each, bounds in found[topics[kind]].items()}
    finally:
        await asking.close()
