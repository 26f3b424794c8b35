"""A notary by its own code, behind simulated topics, rows and tiles; and what has to be true of what notaries published."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.log.authenticity import DECISIONS, EVENTS
from domain.log.authority import Authority, authority_from
from domain.log.chain import Chain
from domain.ports import OutOfRange, Stored, Unavailable
from domain.transparency.checkpoints import Checkpoint, checkpoint
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.merkle import leaf_hash
from domain.transparency.notes import NoteSigner, SignedNote, note_of
from domain.transparency.order import LeafOrder, LeafRun, OrderBroken
from domain.transparency.tiles import TreeEdge
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_known
from services.notary.feed import LeafFeed
from services.notary.order_topic import batch_in
from services.notary.publisher import CHECKPOINT
from services.notary.worker import IDLE, MOST, Notary
from services.settings import load
from tests.simulation.brokers import Brokers, Partition, SimulatedReader, SimulatedTopic
from tests.simulation.tiles import SimulatedTiles, TileFiles

EVENTS_TOPIC, DECISIONS_TOPIC, ORDER_TOPIC = "sim.events", "sim.decisions", "sim.order"
SETTINGS = load({}, data=Path("nowhere"))
SIGNER = NoteSigner("keys.example.com/log", Ed25519PrivateKey.from_private_bytes(bytes([5]) * 32))


@dataclass(slots=True)
class NotaryRows:
    """What services/notary/leaf_rows.py has in Postgres, for all notaries."""

    chance: Random
    runs: dict[tuple[str, int, int], tuple[Any, ...]] = field(default_factory=dict)
    reached: tuple[str, str] | None = None
    away: bool = False


class SimulatedRows:
    """In the place of a pool of connections."""

    def __init__(self, rows: NotaryRows) -> None:
        self._rows = rows

    async def _ask(self) -> None:
        await asyncio.sleep(self._rows.chance.uniform(0.0005, 0.003))
        if self._rows.away:
            raise Unavailable("the database does not answer")

    async def fetchval(self, sql: str) -> int:
        await self._ask()
        return max((row[4] for row in self._rows.runs.values()), default=0)

    async def fetchrow(self, sql: str) -> Mapping[str, str] | None:
        await self._ask()
        kept = self._rows.reached
        return None if kept is None else {"document": kept[0], "mac": kept[1]}

    async def executemany(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        await self._ask()
        for each in rows:
            self._rows.runs.setdefault(each[:3], each)

    async def execute(self, sql: str, document: str, mac: str) -> None:
        await self._ask()
        self._rows.reached = (document, mac)


class _OneKey:
    """The log's keys: one, which nobody rotates here (tests/model/notaries.py has rotations)."""

    origin = SIGNER.name
    own = signing = (SIGNER.verifier,)

    async def read(self) -> None:
        pass

    async def read_sometimes(self) -> None:
        pass

    async def signed(self, head: Checkpoint) -> SignedNote:
        return head.signed_by(SIGNER)


class _Records:
    """In the place of RecordTopics: every partition of the topics of records."""

    def __init__(self, brokers: Brokers, partitions: int) -> None:
        self._brokers = brokers
        self._parts: list[tuple[str, int, Partition]] = [(EVENTS, 0, brokers.partition(EVENTS_TOPIC))]
        for number in range(partitions):
            self._parts.append((DECISIONS, number, brokers.partition(f"{DECISIONS_TOPIC}-{number}")))
        self._next: dict[tuple[str, int], int] = {}

    async def open(self, begins: Mapping[tuple[str, int], int], **options: Any) -> None:
        self._next = {(kind, number): begins.get((kind, number), 0) for kind, number, _ in self._parts}

    async def next(self, most: int, within_ms: int) -> list[tuple[str, list[Any]]]:
        found = []
        for kind, number, part in self._parts:
            at = self._next[kind, number]
            if at > len(part.values):
                raise OutOfRange(f"{at} is behind the end of {part.name}")
            if at == len(part.values):
                continue
            some = await SimulatedReader(self._brokers, part, at).read(most)
            self._next[kind, number] = some[-1].offset + 1
            found.append((kind, [_Record(number, each.offset, each.value, each.appended // 1000) for each in some]))
        if not found:
            await asyncio.sleep(within_ms / 1000)
        return found

    async def left(self) -> list[tuple[str, int]]:
        return [(kind, len(part.values) - self._next[kind, number]) for kind, number, part in self._parts]

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Record:
    partition: int
    offset: int
    value: bytes
    timestamp: int


class SimulatedNotary(Notary):
    def __init__(
        self, brokers: Brokers, rows: NotaryRows, files: TileFiles, keys: VaultKeyring, now: Chain, partitions: int
    ) -> None:
        pool, store = cast("Any", SimulatedRows(rows)), SimulatedTiles(files)
        super().__init__(SETTINGS, pool, keys, now.authority.log, partitions, store, cast("Any", _OneKey()))
        self._brokers = brokers
        self._topic = cast("Any", SimulatedTopic(brokers, ORDER_TOPIC))
        self._now = now

    async def run(self) -> None:
        """Raises OrderBroken, OutOfRange, Superseded, Unavailable."""
        await self.begin()
        order = self._order
        authority = authority_from(order.authority) if order.authority else Authority()
        chain = Chain(order.chain, order.next.get((EVENTS, 0), 0) - 1, self._keys, authority)
        feed = LeafFeed(self._settings, self._partitions, self._keys, chain, self._now)
        feed._topics = cast("Any", _Records(self._brokers, self._partitions))
        await feed.open(order.next)
        while True:
            taken = await feed.next(MOST, IDLE)
            if taken:
                await self._take(taken, feed.chain)
            await asyncio.sleep(IDLE)

    async def _require_believed(self, position: int, value: bytes) -> None:
        pass  # nobody rotates a key here

    async def _entries_of(self, run: LeafRun) -> list[bytes]:
        name = EVENTS_TOPIC if run.kind == EVENTS else f"{DECISIONS_TOPIC}-{run.partition}"
        part, void, entries, at = self._brokers.partition(name), set(run.voids), list[bytes](), run.first
        if run.last > len(part.values):
            raise OrderBroken(
                f"{name} ends before {run.last}, and a batch that is not published yet has leaves up to it"
            )
        reader = SimulatedReader(self._brokers, part, run.first)
        while at < run.last:
            for each in await read_known(reader, run.last - at):
                if each.offset not in void:
                    entries.append(entry_of(LeafPlace(run.kind, run.partition, each.offset), each.value))
                at = each.offset + 1
        return entries


def faults_of_tree(brokers: Brokers, files: TileFiles, keys: VaultKeyring, partitions: int) -> Iterator[str]:
    """What is wrong with the checkpoints that were ever published, or missing from the last one."""
    chain = Chain(keys=keys)
    entries: dict[tuple[str, int, int], bytes] = {}
    for offset, value in enumerate(brokers.partition(EVENTS_TOPIC).values):
        if chain.accepts(offset, value, json.loads(value)):
            entries[EVENTS, 0, offset] = entry_of(LeafPlace(EVENTS, 0, offset), value)
    for number in range(partitions):
        for offset, value in enumerate(brokers.partition(f"{DECISIONS_TOPIC}-{number}").values):
            if chain.authority.believes(keys, DECISIONS, number, offset, value):
                entries[DECISIONS, number, offset] = entry_of(LeafPlace(DECISIONS, number, offset), value)
    order, edge, leaves = LeafOrder(), TreeEdge(), list[LeafPlace]()
    roots: dict[int, bytes] = {0: edge.root()}
    for offset, value in enumerate(brokers.partition(ORDER_TOPIC).values):
        batch = batch_in(order, keys, chain.authority, Stored(offset, value))
        if batch is None:
            continue
        places = [place for run in batch.runs for place in run.places()]
        leaves += places
        list(edge.add(leaf_hash(entries[each.kind, each.partition, each.position]) for each in places))
        roots[edge.size] = edge.root()
    heads = [checkpoint(note_of(each).text) for each in files.replaced.get(CHECKPOINT, ())]
    for before, after in pairwise(heads):
        if after.size < before.size:
            yield f"the checkpoint of {before.size} leaves was replaced by one of {after.size}"
    for head in heads:
        if roots.get(head.size) != head.root:
            yield f"the published root of {head.size} leaves is not that of the batches"
    if len(set(leaves)) != len(leaves):
        yield "a record is two leaves"
    published = heads[-1].size if heads else 0
    if published != len(entries):
        yield f"{len(entries)} records count, and the last checkpoint has {published} leaves"
