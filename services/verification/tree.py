"""Verifies the transparency log against the records, batch by batch.

Each record's leaf is made again from the record on its topic. Four things must agree: these leaves, the batches (which say
which record is which leaf, and what the root is), what is published (tiles, entries and checkpoints), and the rows of Postgres
that say which leaf a record is. One batch after the other is in memory, whatever the size of the tree.

If the records give another root than their batches, the published entries say which record was changed: those that give the
right root are the leaves that the notary made.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial

from domain.log.authenticity import EVENTS
from domain.log.authority import Authority
from domain.log.codec import micros
from domain.ports import Stored, TileStore
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.leaf_extents import LeafExtent, extents_of
from domain.transparency.leaves import LeafPlace
from domain.transparency.merkle import leaf_hash
from domain.transparency.notes import VerifierKey
from domain.transparency.order import LeafBatch, LeafOrder, LeafPartition, LeafRun, OrderBroken, place_of
from domain.transparency.tiles import HEIGHT, WIDTH, TileName, TreeEdge, bundle
from domain.verification.log import Report
from projections.log.schema import AskedLog
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import chain_now
from services.adapters.postgres import Pool
from services.adapters.record_topics import topics_read
from services.adapters.tile_stores import tile_store
from services.adapters.topic_bounds import bounds
from services.adapters.topics import log_topic, names
from services.adapters.tree_key_rows import TreeKeyRefused
from services.adapters.vault import Vault
from services.notary import leaf_rows
from services.notary.cosigning import COSIGNED
from services.notary.differing_keys import differing_keys, differing_signers
from services.notary.order_topic import batches
from services.notary.publisher import CHECKPOINT, KEY, checkpoint_of
from services.notary.tree_keys import known_keys
from services.questions.leaf_differences import differing_rows
from services.settings import Settings
from services.verification.leaf_sources import PartitionRecords, PublishedLeaves, entries_of
from services.verification.topics import VerificationProgress

NAMED = 20
"""How many differences are named; all are counted."""
COMPARED = 2_000
"""After so many leaves the root is compared: making it for each of many small batches would take longer than the leaves."""
PUBLISHED_WITHIN = 3.0
"""Seconds that the first batch may be on its topic without a checkpoint."""
LOOK_EVERY = 0.2


@dataclass(slots=True)
class TreeReport:
    """`leaves`: of the batches that count. `published`: of the checkpoint. `waiting`: records after the last batch, which are
    not leaves yet. `gone`: leaves whose records a retention removed; their entries were taken from what is published.
    `passed_over`: records that went before they could be leaves, as an operator permitted. `differences` names what does not
    agree, each in a sentence with its place; `differing` counts all."""

    leaves: int = 0
    published: int = 0
    waiting: int = 0
    gone: int = 0
    passed_over: int = 0
    differing: int = 0
    differences: list[str] = field(default_factory=list)

    def differs(self, what: str) -> None:
        self.differing += 1
        if len(self.differences) < NAMED:
            self.differences.append(what)


async def verify_tree(
    settings: Settings,
    pool: Pool,
    vault: Vault,
    keys: VaultKeyring,
    log: Report,
    tell: VerificationProgress,
    leaves: dict[LeafPartition, LeafExtent],
) -> TreeReport | None:
    """None for an installation without a transparency log. `log` is what the log's verification found; to `leaves` is added
    which records are leaves. Raises Unavailable, OutOfRange, Unreadable, MasterKeyRefused."""
    if not settings.notaries:
        return None
    report, store, order = TreeReport(), tile_store(settings), LeafOrder()
    # The checkpoints are read first, then the end of the batches, then that of the records: what is read later covers all that
    # was read before it.
    heads = await _heads(store, vault, report)
    authority = (await chain_now(log_topic(settings), pool, keys)).authority
    look = partial(_heads, store, vault, TreeReport())
    for each in await _settled(lambda: differing_keys(vault, log.tree_keys, log.level)):
        report.differs(each)
    signed_from = 0
    walk = _TreeWalk(settings, pool, keys, authority, log, store, heads, report, look)
    topic = names(settings).order
    begin, _ = (await bounds(settings, topic))[0]
    if begin:
        report.differs(
            f"{topic} begins at @{begin}: its beginning was removed, so nothing says which records the leaves are"
        )
    try:
        async with aclosing(batches(settings, keys, authority, order)) as found:
            async for some in found:
                await walk.open(order)
                extents_of(some, leaves)
                for batch in some:
                    if CHECKPOINT in heads and batch.size == heads[CHECKPOINT].size and not signed_from:
                        signed_from = micros(batch.at)
                    await walk.take(batch)
                    tell("checking the transparency log", batch.size, max(report.published, batch.size))
        await walk.finish()
    except OrderBroken as fault:
        report.differs(str(fault))
    finally:
        await walk.close()
    for each in await _settled(partial(_differing_signers, store, vault, signed_from)):
        report.differs(each)
    report.leaves = order.size
    report.waiting = await _waiting(settings, order)
    return report


async def compare_rows(pool: Pool, leaves: Mapping[LeafPartition, LeafExtent], copies: int, report: TreeReport) -> None:
    """Compares the rows of decisions with the leaves, where they cannot be made again because their records are gone. A copy is a
    leaf without a row. Raises Postgres's errors."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        found = await differing_rows(AskedLog(connection), leaves)
    if found.not_leaves or found.without_row > copies:
        for each in found.named:
            report.differs(each)
        report.differing += found.not_leaves + found.without_row - len(found.named)


async def _heads(store: TileStore, vault: Vault, report: TreeReport) -> dict[str, Checkpoint]:
    """The checkpoints that are published, by their paths."""
    found: dict[str, Checkpoint] = {}
    contents = {path: await store.read(path) for path in (CHECKPOINT, COSIGNED)}
    named = (await store.read(KEY) or b"").decode(errors="replace").split()
    # A key is in the vault before it signs, so the keys are read last.
    own: Sequence[VerifierKey] = ()
    with suppress(TreeKeyRefused):  # differing_keys says so
        own = await known_keys(vault)
    for path, content in contents.items():
        with suppress(OrderBroken):
            head = checkpoint_of(content, *own)
            if head is not None:
                found[path] = head
        if content is not None and path not in found:
            report.differs(f"the file {path} of the transparency log is not a checkpoint that this installation signed")
    report.published = found[CHECKPOINT].size if CHECKPOINT in found else 0
    if not {each.text for each in own}.issuperset(named):
        report.differs(f"the file {KEY} of the transparency log names a key that is not this installation's")
    return found


async def _settled(ask: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """What differs still after a while: a rotation is recorded before the vault says so, and published later yet."""
    for _ in range(int(PUBLISHED_WITHIN / LOOK_EVERY)):
        if not await ask():
            return []
        await asyncio.sleep(LOOK_EVERY)
    return await ask()


async def _differing_signers(store: TileStore, vault: Vault, signed_from: int) -> list[str]:
    """`signed_from`: the time of the batch whose checkpoint was published when the verification began."""
    checkpoint, named = await store.read(CHECKPOINT), (await store.read(KEY) or b"").decode(errors="replace").split()
    return await differing_signers(vault, checkpoint, named, signed_from)


async def _waiting(settings: Settings, order: LeafOrder) -> int:
    waiting = 0
    for kind, topic in topics_read(settings).items():
        for partition, (begin, end) in (await bounds(settings, topic)).items():
            waiting += max(0, end - order.next.get((kind, partition), begin))
    return waiting


class _TreeWalk:
    """Takes the batches in their order. Those since the last root that was compared are kept, with the entries of their
    leaves: None where the record is not there."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        keys: VaultKeyring,
        authority: Authority,
        log: Report,
        store: TileStore,
        heads: dict[str, Checkpoint],
        report: TreeReport,
        look: Callable[[], Awaitable[dict[str, Checkpoint]]],
    ) -> None:
        """`look` reads the checkpoints that are published by now."""
        self._look = look
        self._settings, self._pool, self._keys, self._authority = settings, pool, keys, authority
        self._report, self._heads = report, heads
        self._published = PublishedLeaves(store, report.published)
        self._log_end, self._log_voids = log.position, sorted({*log.voids, *log.strange})
        self._records: dict[tuple[str, int], PartitionRecords] = {}
        self._batches: list[LeafBatch] = []
        self._entries: list[bytes | None] = []
        self._edge = TreeEdge()
        self._tail: list[bytes] = []
        """The entries of the leaves in the last tile, which is not full."""
        self._rows: list[leaf_rows.RunRow] = []
        """Rows that belong to the next leaf: of runs without one."""
        self._compared = set[str]()
        """The paths of the checkpoints whose root was compared with a batch's."""
        self._lost = False

    async def open(self, order: LeafOrder) -> None:
        """`order` names the partitions. Their ends are asked when the first batches were read."""
        if {(kind, part) for kind, part in order.next} <= self._records.keys():
            return
        for kind, topic in topics_read(self._settings).items():
            for part, (begin, end) in (await bounds(self._settings, topic)).items():
                self._records.setdefault((kind, part), PartitionRecords(self._settings, topic, part, begin, end))

    async def take(self, batch: LeafBatch) -> None:
        self._report.passed_over += sum(each.leaves for each in batch.removed)
        if self._lost:
            return
        for run in batch.runs:
            self._entries += await self._made(run)
        self._batches.append(batch)
        if len(self._entries) >= COMPARED or any(batch.size == each.size for each in self._heads.values()):
            await self._compare()

    async def _made(self, run: LeafRun) -> list[bytes | None]:
        """The entries of a run's leaves. On the way, what the batch calls void is checked."""
        entries, at = list[bytes | None](), run.first
        if run.kind == EVENTS:
            self._check_voids_of_log(run)
        async with aclosing(self._records[run.kind, run.partition].of(run)) as found:
            async for values in found:
                more, voids, at = entries_of(run, values, at)
                entries += more
                if run.kind != EVENTS:
                    await self._check_voids(run, voids)
        void = set(run.voids)
        return entries + [None for position in range(at, run.last) if position not in void]

    def _check_voids_of_log(self, run: LeafRun) -> None:
        voids = self._log_voids
        void = set(voids[bisect_left(voids, run.first) : bisect_left(voids, run.last)])
        for position in sorted(void.symmetric_difference(run.voids)):
            if position <= self._log_end:
                says = "is void, and is a leaf" if position in void else "counts, and is no leaf"
                self._report.differs(f"{EVENTS} 0@{position} {says}")

    async def _check_voids(self, run: LeafRun, voids: list[Stored]) -> None:
        await self._keys.know_those_of(each.value for each in voids)
        for each in voids:
            if self._authority.believes(self._keys, run.kind, run.partition, each.offset, each.value):
                self._report.differs(f"{run.kind} {run.partition}@{each.offset} counts, and is no leaf")

    async def _compare(self) -> None:
        """The leaves since the last root that was compared, with everything else that says what they are."""
        first, last = self._edge.size, self._batches[-1]
        published = await self._published_where_gone(first, last.size)
        entries = self._whole(first, published)
        if entries is None:
            return
        edge, full = self._grown(entries)
        if edge.root() != last.root:
            published = published or await self._published.entries(first, last.size)
            other, other_full = self._grown(published or [])
            if published is None or other.root() != last.root:
                self._give_up(first, "no longer give the root that was signed: records or batches were changed")
                return
            for number, (made, right) in enumerate(zip(entries, published, strict=True), first):
                if made != right:
                    self._report.differs(f"{self._place(number)} is not the record that became leaf {number}")
            edge, full, entries = other, other_full, published
        await self._compare_published(edge, full, entries)
        await self._compare_rows(last.size)
        self._edge, self._batches, self._entries = edge, [], []

    async def _published_where_gone(self, first: int, size: int) -> list[bytes] | None:
        return await self._published.entries(first, size) if None in self._entries else None

    def _whole(self, first: int, published: list[bytes] | None) -> list[bytes] | None:
        """The entries, with those that are published in the place of those whose records are not there."""
        entries = list[bytes]()
        for number, each in enumerate(self._entries):
            if each is not None:
                entries.append(each)
                continue
            place = self._place(first + number)
            if place.position < self._records[place.kind, place.partition].begin:
                self._report.gone += 1
            else:
                self._report.differs(f"{place}, which became leaf {first + number}, is missing from its topic")
            if published is None:
                self._give_up(first + number, "are gone, and the published entries do not say what they were")
                return None
            entries.append(published[number])
        return entries

    def _give_up(self, leaf: int, why: str) -> None:
        since, until = self._batches[0].at, self._batches[-1].at
        self._report.differs(
            f"the records of the batches from {since} to {until} {why}. From leaf {leaf} on "
            f"({self._place(leaf)}), nothing is compared"
        )
        self._lost = True

    def _grown(self, entries: list[bytes]) -> tuple[TreeEdge, list[tuple[TileName, bytes]]]:
        edge = TreeEdge(self._edge.size, [list(each) for each in self._edge.levels])
        return edge, list(edge.add(map(leaf_hash, entries)))

    def _place(self, leaf: int) -> LeafPlace:
        (found,) = [place for batch in self._batches if (place := place_of(batch, leaf)) is not None]
        return found

    async def _compare_published(
        self, edge: TreeEdge, full: list[tuple[TileName, bytes]], entries: list[bytes]
    ) -> None:
        entries = [*self._tail, *entries]
        wanted = []
        for name, tile in full:
            if (name.index + 1) * WIDTH << HEIGHT * name.level > self._published.size:
                continue
            wanted.append((name.path, name.path, tile))
            if name.level == 0:
                wanted.append((name.entries_path, name.entries_path, bundle(entries[:WIDTH])))
                entries = entries[WIDTH:]
        self._tail = entries[len(entries) - edge.size % WIDTH :]
        for path, head in self._heads.items():
            if head.size == edge.size:
                self._compared.add(path)
                if head.root != edge.root():
                    self._report.differs(f"the published {path} of {head.size} leaves has another root than the batch")
                if path == CHECKPOINT:
                    wanted += self._partial(edge)
        for path in await self._published.differing(wanted):
            self._report.differs(f"{path} of the transparency log is missing, or is not what the records give")

    def _partial(self, edge: TreeEdge) -> list[tuple[str, str, bytes]]:
        found = [(name.path, TileName(name.level, name.index).path, tile) for name, tile in edge.partial()]
        if self._tail:
            name = TileName(0, edge.size // WIDTH, len(self._tail))
            found.append((name.entries_path, TileName(0, name.index).entries_path, bundle(self._tail)))
        return found

    async def _compare_rows(self, size: int) -> None:
        """A row is written before the checkpoint that has its leaves."""
        if size > self._published.size:
            return
        wanted = [*self._rows, *(row for batch in self._batches for row in leaf_rows.rows_of(batch))]
        self._rows = [row for row in wanted if row.leaf == size]
        now = {row for row in wanted if row.leaf < size}
        there = await leaf_rows.between(self._pool, self._batches[0].first, size)
        for row in sorted(now - there):
            run = f"{row.kind} {row.partition}@{row.first} to {row.last - 1}"
            self._report.differs(f"transparency.runs does not say that {run} begin at leaf {row.leaf}")
        for row in sorted(there - now):
            run = f"{row.kind} {row.partition}@{row.first} to {row.last - 1}"
            self._report.differs(f"transparency.runs says that {run} begin at leaf {row.leaf}, which no batch says")

    async def finish(self) -> None:
        """After the last batch: the checkpoints that belong to none."""
        if self._batches and not self._lost:
            await self._compare()
        size = self._edge.size
        for path, head in self._heads.items() if not self._lost else ():
            if head.size > size:
                self._report.differs(f"the published {path} has {head.size} leaves, and the batches have {size}")
            elif path not in self._compared:
                # A checkpoint is signed after its batch: whoever stole a key could have one of any other tree here.
                self._report.differs(f"the published {path} has {head.size} leaves, and no batch ends there")
        if size and CHECKPOINT not in self._heads and not await self._is_published_soon():
            self._report.differs("the transparency log has batches, and no checkpoint is published")

    async def _is_published_soon(self) -> bool:
        """Whether there is a checkpoint by now. A notary appends its first batch before it publishes."""
        for _ in range(int(PUBLISHED_WITHIN / LOOK_EVERY)):
            if CHECKPOINT in await self._look():
                return True
            await asyncio.sleep(LOOK_EVERY)
        return False

    async def close(self) -> None:
        for each in self._records.values():
            await each.close()
