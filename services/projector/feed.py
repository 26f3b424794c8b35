"""Reads batches of entries from the topics, in order within each partition, without void records.

A record of `events` is void if it is not the chain's next. A value of another topic is void if this installation did not
write it. A decision is also void if it is not the next of its lane: then it is a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from domain.characters import without_nul
from domain.log.chain import Chain, digest
from domain.log.codec import RECORD_VERSION, Unreadable, event_from
from domain.log.events import DecisionsAnchored
from domain.log.lane import LaneRule, Lanes, anchors_of, place_of
from projections.log.entry import ALERTS, DECISIONS, EVENTS, Entry
from services.adapters.kafka import FETCH_WAIT_MS
from services.adapters.keyring import VaultKeyring
from services.adapters.record_topics import BATCH_BYTES, FollowedRecords
from services.projector.store import Partition, ReadTo

GATHERING = (4_194_304, 100)
"""While records arrive: the bytes that a fetch should bring, and the milliseconds that the broker waits for them. Fewer bytes
than that arrive in this time, so the time limits the rate: a fetch and a transaction for every few calls would cost more than
the calls."""
PARTITION_BYTES = 8_388_608


@dataclass(slots=True)
class Batch:
    """`reached` says how far the topics are read, including this batch."""

    entries: list[Entry] = field(default_factory=list)
    reached: ReadTo = field(default_factory=ReadTo)
    voids: int = 0

    @property
    def has_only_void_events(self) -> bool:
        """Whether records of the log came, and none that counts: brokers may have lost the last valid one, and then every later
        one is void."""
        return (EVENTS, 0) in self.reached.offsets and not any(each.topic == EVENTS for each in self.entries)


class EntryFeed:
    """Reads every partition of the topics that it is given."""

    def __init__(
        self,
        topics: FollowedRecords,
        region: str,
        keys: VaultKeyring,
        gathering: tuple[int, int] = GATHERING,
        partition_bytes: int = PARTITION_BYTES,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        """`gathering`: the bytes that a fetch should bring while records come, and the milliseconds that the broker waits for
        them. `partition_bytes`: the most that a fetch brings of one partition. `batch_bytes`: a batch that has so many takes
        no further records."""
        self._batch_bytes = batch_bytes
        self._gathering, self._partition_bytes = gathering, partition_bytes
        self._region = region
        self._keys = keys
        self._topics = topics
        self._chain = Chain(keys=keys)
        self._lanes: LaneRule = Lanes()
        self._now = Chain(keys=keys)
        self._begun: Mapping[Partition, int] = {}

    async def open(self, start: ReadTo, now: Chain, lanes: LaneRule | None = None) -> bool:
        """Begins where `start` says; at 0 for a partition that it does not name, and of `decisions` and `alerts` at the first
        record that is still there. Returns whether a retention has removed decisions. `lanes`: the rule for copies of
        decisions; that of `start` where left out.

        `now` is the chain at the log's end or near it. Other topics are read at the same time as the log, so the whole log
        decides what is authentic there, not only the part that was read here.
        """
        self._now = now
        begins = await self._topics.open(
            start.offsets,
            from_first=(DECISIONS, ALERTS),
            gathering=self._gathering,
            max_partition_fetch_bytes=self._partition_bytes,
            last=start.last,
        )
        self._chain = Chain(start.digest, start.offsets.get((EVENTS, 0), 0) - 1, self._keys, start.authority)
        # A retention may have left nothing after that. Without a position, tables that are filled anew would stay behind the
        # former ones, and a rebuild would wait for ever.
        self._begun = {where: at for where, at in begins.items() if where not in start.offsets}
        cut = [number for kind, number in begins if kind == DECISIONS]
        self._lanes = lanes or Lanes(start.lanes, cut)
        return bool(cut)

    async def next(self, most: int) -> Batch:
        """The next records; an empty batch after half a second without records. Raises OutOfRange, Unreadable, Unavailable."""
        found = await self._topics.next(most, FETCH_WAIT_MS, self._batch_bytes)
        await self._keys.know_those_of(record.value or b"" for _, records in found for record in records)
        batch = Batch()
        batch.reached.since = self._chain.head
        batch.reached.offsets, self._begun = dict(self._begun), {}
        for topic, records in found:
            for record in records:
                entry = await self._keys.attempted(
                    self._entry, topic, record.partition, record.offset, record.value or b""
                )
                if entry is None:
                    batch.voids += 1
                else:
                    batch.entries.append(entry)
            if records:
                where = topic, records[-1].partition
                batch.reached.offsets[where] = records[-1].offset + 1
                if topic != EVENTS:
                    batch.reached.last[where] = digest(records[-1].value or b"")
        batch.reached.digest = self._chain.head
        # This is a copy, since the chain moves on to the next records while the batch is written.
        batch.reached.authority = self._chain.authority.copied()
        batch.reached.lanes = dict(self._lanes.moved())
        for entry in batch.entries:
            if isinstance(entry.event, DecisionsAnchored):
                anchored = batch.reached.anchored
                for name, each in anchors_of(entry.document["event"]["data"]).items():
                    # An anchor that was asked for late takes nothing back.
                    anchored[name] = max(each.number, anchored.get(name, 0))
        return batch

    @property
    def newest_chain(self) -> Chain:
        """The chain that reaches furthest, of the one that this feed read and the one that it was given."""
        return self._chain if self._chain.position >= self._now.position else self._now

    async def lag(self) -> dict[str, int]:
        """How many records on each topic are not read yet, by the last watermark seen."""
        result = dict.fromkeys(self._topics.kinds, 0)
        for topic, count in await self._topics.left():
            result[topic] += count
        return result

    def _entry(self, topic: str, partition: int, offset: int, value: bytes) -> Entry | None:
        """Raises Unreadable, KeyMissing."""
        believed: str | None = ""
        if topic != EVENTS:
            believed = self.newest_chain.authority.digest_believed(self._keys, topic, partition, offset, value)
        if believed is None:
            return None
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(document, dict):
            return None
        if topic == EVENTS and not self._chain.accepts(offset, value, document):
            return None
        if topic == DECISIONS:
            place = place_of(document)
            if place is not None and not self._lanes.accepts(place, believed, partition):
                return None
        if document.get("v") != RECORD_VERSION:
            raise Unreadable(f"a record of version {document.get('v')!r} on {topic}: a newer Keytrail wrote it")
        if b"\\" in value and b"\\u0000" in value:  # one byte is found ten times as fast as six, and it is rare
            # JSON and an encryption context may hold U+0000. A caller who sends it must not stop the projections; the log
            # keeps it.
            document = without_nul(document)
        event = event_from(document["event"]) if topic == EVENTS and document["event"] is not None else None
        at = datetime.fromisoformat(document["at"])
        return Entry(topic, partition, offset, at, self._region, document, event, believed or self._chain.head)

    async def close(self) -> None:
        await self._topics.close()
