"""Reads the records that become leaves: `events`, `decisions` and `alerts`, each partition in order and without a gap.

A record of `events` has a leaf if it is the chain's next. A value of another topic has one if this installation wrote it. The
place is part of the leaf, so a copy of a decision is a leaf of its own; `keytrail verify` names the copies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import orjson
from aiokafka import ConsumerRecord

from domain.log.authenticity import ALERTS, DECISIONS, EVENTS
from domain.log.chain import Chain
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.order import LeafPartition
from services.adapters.keyring import VaultKeyring
from services.adapters.record_topics import RECORD_KINDS, RecordTopics
from services.metrics import NOTARY_LAG
from services.notary.recorded_rotations import key_named_by
from services.settings import Settings

FETCHED_BYTES = 4_194_304
GATHERING_MS = 300
"""While records arrive, the broker answers once it has so many bytes, or after so many milliseconds: many small answers would
cost it and the notary more than all the hashes do."""
GATHERED = 2_000
"""After so many records other work of this process has its turn."""
TakenRecord = tuple[LeafPlace, bytes | None]
"""A record's place, and the entry of its leaf; None if it is void."""


class LeafFeed:
    """One consumer over every partition, by assignment. `chain` is that of `events` where reading begins; `now` is the chain
    at the log's end, which says what is authentic on the other topics."""

    def __init__(self, settings: Settings, partitions: int, keys: VaultKeyring, chain: Chain, now: Chain) -> None:
        self._keys = keys
        self.chain, self._now = chain, now
        self._topics = RecordTopics(settings, partitions)
        self.oldest = 0
        """When the first record since it was set to 0 was appended, in milliseconds; 0 for none."""
        self.named_key = ""
        """The verifier key that the log takes into use by the last such record since it was set to ""."""

    async def open(self, begins: Mapping[LeafPartition, int]) -> None:
        """Reads from these positions on, and a partition that is not named from its first record on. Raises Unavailable."""
        await self._topics.open(
            begins,
            from_first=RECORD_KINDS,
            gathering=(FETCHED_BYTES, GATHERING_MS),
            max_partition_fetch_bytes=FETCHED_BYTES,
        )

    async def next(self, most: int, patience: float) -> list[TakenRecord]:
        """The next records; nothing if none came within `patience` seconds. Raises OutOfRange, KeyMissing, Unavailable."""
        taken, hashed = list[TakenRecord](), 0
        for kind, records in await self._topics.next(most, int(patience * 1000)):
            if records and not self.oldest:
                self.oldest = records[0].timestamp
            await self._keys.know_those_of(each.value or b"" for each in records)
            for each in records:
                taken.append(await self._keys.attempted(self._taken, kind, each))
            if len(taken) >= hashed + GATHERED:
                hashed = len(taken)
                await asyncio.sleep(0)
        return taken

    def _taken(self, kind: str, record: ConsumerRecord) -> TakenRecord:
        """Raises KeyMissing."""
        place, value = LeafPlace(kind, record.partition, record.offset), record.value or b""
        return place, entry_of(place, value) if self._has_leaf(place, value) else None

    def _has_leaf(self, place: LeafPlace, value: bytes) -> bool:
        """Raises KeyMissing."""
        if place.kind != EVENTS:
            chain = self.chain if self.chain.position >= self._now.position else self._now
            return chain.authority.believes(self._keys, place.kind, place.partition, place.position, value)
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(document, dict) or not self.chain.accepts(place.position, value, document):
            return False
        self.named_key = key_named_by(value) or self.named_key
        return True

    async def measure(self) -> int:
        """Sets how many records wait, by the last watermarks. Returns their number."""
        waiting = dict.fromkeys((EVENTS, DECISIONS, ALERTS), 0)
        for kind, count in await self._topics.left():
            waiting[kind] += count
        for kind, count in waiting.items():
            NOTARY_LAG.labels(kind).set(count)
        return sum(waiting.values())

    async def close(self) -> None:
        await self._topics.close()
