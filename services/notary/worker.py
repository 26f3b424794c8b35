"""The notary at work: read what is new, append the batch, read it back, and only then sign and publish."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from domain.log.authenticity import EVENTS, ORDER
from domain.log.authority import Authority, authority_from
from domain.log.chain import Chain
from domain.log.codec import rfc3339
from domain.ports import OutOfRange, Reader, TileStore
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.notes import SignedNote
from domain.transparency.order import LeafBatch, LeafOrder, LeafRun, OrderBroken, runs_of
from domain.transparency.policies import NO_WITNESSES, WitnessPolicy
from services.adapters import skips
from services.adapters.kafka import KafkaReader, KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import chain_now
from services.adapters.postgres import Pool
from services.adapters.record_topics import topics_read
from services.adapters.topic_bounds import bounds
from services.adapters.topics import log_topic, names
from services.adapters.tree_key_rows import TreeKeyRefused
from services.clock import clock_of, lasting
from services.logs import logger_of
from services.metrics import CHECKPOINT_AT, LEAVES, NOTARY_AT, NOTARY_SECONDS
from services.notary import kept_heads, leaf_rows
from services.notary.alerts import NotaryAlerts
from services.notary.cosigning import COSIGNED, Cosigning
from services.notary.feed import LeafFeed, TakenRecord
from services.notary.kept_heads import HeadKeeper
from services.notary.order_topic import batch_in
from services.notary.publisher import CHECKPOINT, GrownTree, Superseded, TreePublisher
from services.notary.timestamps import Timestamping
from services.notary.tree_keys import TreeKeys
from services.runtime.processes import pause_after
from services.runtime.task_group import together
from services.settings import Settings

log = logger_of("notary")

MOST = 20_000
"""The most records of a batch."""
LONGEST_PAUSE = 0.5
"""Seconds between two batches under full load: many files are flushed for each batch, however many records it has."""
IDLE = 0.5
"""Seconds that an idle notary waits for a record at a time."""
READ_BACK_WITHIN = 30.0
KEYS_FOR, SURELY_GOOD_FOR = 2.0, 8.0
"""Seconds for which the keys of records are known after they were read from the vault, and for which what is sealed under the
newest of them counts in any case: a rotation retires a key ten seconds or more after the vault has the next one
(services/log_keys/rotation.py)."""


class Notary:
    """`partitions` are those of `decisions`; `log` is the log's id."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        keys: VaultKeyring,
        log: str,
        partitions: int,
        store: TileStore,
        tree_keys: TreeKeys,
        policy: WitnessPolicy = NO_WITNESSES,
        alerts: NotaryAlerts | None = None,
    ) -> None:
        self._settings, self._pool, self._keys = settings, pool, keys
        self._log, self._partitions = log, partitions
        self._clock = clock_of(settings)
        self._name = uuid4().hex
        self._topic = KafkaTopic(settings, names(settings).order)
        self._reader: Reader | None = None
        self._order, self._read = LeafOrder(), 0
        self._now = Chain(keys=keys)
        self._keys_read = float("-inf")
        """When the keys were read from the vault."""
        self._tree_keys, self._store = tree_keys, store
        self.publisher = TreePublisher(store, tree_keys)
        self._stamps = Timestamping(settings, pool)
        self._heads = HeadKeeper(pool, store, self._clock, COSIGNED if policy.asked else CHECKPOINT)
        self.cosigning = Cosigning(policy, store, lambda: tree_keys.own, alerts, self._heads.published)
        self._alerts = alerts

    async def run(self) -> None:
        """Runs until it is stopped. Raises OrderBroken, OutOfRange, TreeKeyRefused, Superseded, Unavailable."""
        try:
            await self._notarise()
        except (OrderBroken, OutOfRange, TreeKeyRefused) as fault:
            if self._alerts is not None:
                await self._alerts.stopped(fault, self._order.size)
            raise

    async def _notarise(self) -> None:
        await leaf_rows.prepare(self._pool)
        await kept_heads.prepare(self._pool)
        self._now = await chain_now(log_topic(self._settings), self._pool, self._keys)
        await self._tree_keys.read_sometimes()
        await self._tree_keys.look_back()
        await self._tree_keys.require_none_undone(await self._store.read(CHECKPOINT))
        await self.begin()
        await together(self.cosigning.keep_asking(), self._heads.run(), self._stamps.run(), self._follow())

    async def begin(self) -> None:
        """Go on from the batches that count: publish what was appended and perhaps not published. Raises OrderBroken, OutOfRange,
        Superseded, Unavailable."""
        has_rows = await leaf_rows.reached(self._pool)
        await self.publisher.open()
        kept = await leaf_rows.kept_order(self._pool, self._keys, self._now.authority.key)
        # Otherwise what is published, or all rows, were lost, and are made again.
        if kept.size <= self.publisher.edge.size and has_rows:
            self._order, self._read = kept, kept.position + 1
        end = await self._require_batches()
        self._reader = await self._topic.reader(self._read)
        batches = await self._read_to(end - 1)
        await leaf_rows.keep(self._pool, (each for each in batches if each.size >= has_rows))
        for batch in batches:
            if batch.size > self.publisher.edge.size:
                await self._publish_again(batch)
        edge = self.publisher.edge
        if self._order.size != edge.size:
            raise OrderBroken(f"the published tree has {edge.size} leaves, and the batches have {self._order.size}")
        if self._order.root != edge.root():
            raise OrderBroken(f"the published tree of {edge.size} leaves has another root than the batches say")

    async def _read_to(self, position: int) -> list[LeafBatch]:
        """Read the topic of batches up to this position. Returns the batches that count."""
        assert self._reader is not None, "begin comes first"
        found: list[LeafBatch] = []
        while self._read < position + 1:
            for each in await self._reader.read(1_000):
                await self._keys.know_those_of([each.value])
                self._read = each.offset + 1
                batch = batch_in(self._order, self._keys, self._now.authority, each)
                if batch is not None:
                    found.append(batch)
        return found

    async def _publish_again(self, batch: LeafBatch) -> None:
        """Publish a batch that was appended and perhaps not published, from the records themselves."""
        entries = [entry for run in batch.runs for entry in await self._entries_of(run)]
        tree = self.publisher.grown(entries)
        if tree.edge.root() != batch.root or tree.edge.size != batch.size:
            first = batch.runs[0]
            raise OrderBroken(
                f"the records of the batch of {batch.at}, from {first.kind} {first.partition}@{first.first} on, no longer give "
                "the root that the batch has: a topic was changed"
            )
        self.cosigning.published(*await self._publish(tree))

    async def _publish(self, tree: GrownTree) -> tuple[Checkpoint, SignedNote]:
        await self._tree_keys.read_sometimes()
        return await self.publisher.publish(tree)

    async def _entries_of(self, run: LeafRun) -> list[bytes]:
        topic = topics_read(self._settings)[run.kind]
        begin, end = (await bounds(self._settings, topic))[run.partition]
        if run.first < begin or run.last > end:
            raise OrderBroken(
                f"{topic}, partition {run.partition}, has the records from @{begin} up to @{end - 1}, and a batch that is not "
                f"published yet has leaves of @{run.first} up to @{run.last - 1}: it was cut"
            )
        reader = await KafkaReader(self._settings, topic, run.partition).open(run.first)
        void, entries, at = set(run.voids), list[bytes](), run.first
        try:
            while at < run.last:
                for each in await reader.read(run.last - at):
                    if at <= each.offset < run.last and each.offset not in void:
                        entries.append(entry_of(LeafPlace(run.kind, run.partition, each.offset), each.value))
                    at = each.offset + 1
        finally:
            await reader.close()
        return entries

    async def _follow(self) -> None:
        order = self._order
        authority = authority_from(order.authority) if order.authority else Authority()
        chain = Chain(order.chain, order.next.get((EVENTS, 0), 0) - 1, self._keys, authority)
        feed = LeafFeed(self._settings, self._partitions, self._keys, chain, self._now)
        await self._pass_over(chain)
        try:
            await feed.open(order.next)
            while True:
                taken = await feed.next(MOST, IDLE)
                waiting = await feed.measure()
                # Before anything is signed: what is in memory may have ended.
                await self._tree_keys.read_sometimes()
                if taken:
                    await self._take(taken, feed.chain)
                    NOTARY_SECONDS.set(time.time() - feed.oldest / 1000)
                    feed.oldest = 0
                if feed.named_key:
                    self._tree_keys.is_named(feed.named_key)
                    feed.named_key = ""
                NOTARY_AT.set_to_current_time()
                if waiting <= len(taken):
                    await asyncio.sleep(pause_after(len(taken), LONGEST_PAUSE))
                if self.publisher.is_signed_by_others and (published := await self.publisher.sign_anew()):
                    self.cosigning.published(*published)
        except OutOfRange:
            for gap in await self._gaps():
                raise self._removed(gap) from None
            raise
        finally:
            await feed.close()

    async def _require_batches(self) -> int:
        """Where the topic of batches ends. Raises OrderBroken if it does not go on from what was read of it."""
        topic, begin, end = names(self._settings).order, await self._topic.start(), await self._topic.end()
        if end < self._read:
            raise OrderBroken(f"{topic} ends before @{end}, and was read up to @{self._read - 1}: it was cut")
        if begin > self._read:
            raise OrderBroken(
                f"{topic} begins at @{begin}, and is read from @{self._read} on: its beginning was removed"
            )
        return end

    async def _pass_over(self, chain: Chain) -> None:
        """Go on behind records that were removed before they became leaves, if an operator permitted it: a batch names them.
        Raises OrderBroken."""
        gaps = await self._gaps()
        for each in gaps:
            permit = skips.of_leaves(self._log, each.kind, each.partition)
            if each.kind == EVENTS or not await skips.permitted(self._pool, self._keys, permit, each.first):
                raise self._removed(each)
        if gaps:
            log.warning("the notary passes over records that were removed", records=sum(each.leaves for each in gaps))
            await self._take([], chain, gaps)

    async def _gaps(self) -> tuple[LeafRun, ...]:
        """The records that would be the next leaves, and were removed. Raises OrderBroken if a topic was shortened."""
        found = []
        for kind, topic in topics_read(self._settings).items():
            for partition, (begin, end) in (await bounds(self._settings, topic)).items():
                next = self._order.next.get((kind, partition))
                if next is not None and next > end:
                    raise OrderBroken(
                        f"{topic}, partition {partition}, ends before @{end}, and its records up to @{next - 1} are leaves: it "
                        "was cut or made anew"
                    )
                if next is not None and next < begin:
                    found.append(LeafRun(kind, partition, next, begin))
        return tuple(found)

    def _removed(self, gap: LeafRun) -> OrderBroken:
        topic = topics_read(self._settings)[gap.kind]
        return OrderBroken(
            f"the records {gap.first} to {gap.last - 1} of {topic}, partition {gap.partition}, were removed before they became "
            "leaves"
        )

    async def _take(self, taken: list[TakenRecord], chain: Chain, removed: tuple[LeafRun, ...] = ()) -> None:
        """Make a batch of these records: it counts once it is read back, and is published then."""
        runs, entries = runs_of(taken)
        tree: GrownTree = self.publisher.grown(entries)
        batch = LeafBatch(
            rfc3339(self._clock.now()),
            self._name,
            self._order.size,
            runs,
            tree.edge.root(),
            chain.head,
            chain.authority.document(),
            removed,
        )
        if lasting() - self._keys_read > KEYS_FOR:
            self._keys_read = lasting()
            await self._keys.read_again()
        if chain.authority.key:  # how far the order is kept is sealed under it, and the last record may be the rotation
            await self._keys.know(chain.authority.key)
        # Not the key that `chain` has reached: by the log's end it may have been retired, and then nobody believes the batch.
        value, _ = self._keys.seal(self._keys.newest, ORDER, self._log).sealed(batch.body(self._log, self._order.head))
        async with asyncio.timeout(READ_BACK_WITHIN):
            position = await self._topic.append(value)
            found = await self._read_to(position)
        if lasting() - self._keys_read > SURELY_GOOD_FOR:
            await self._require_believed(position, value)
        if [each.notary for each in found] != [self._name] or self._order.position != position:
            raise Superseded("another notary is at work")
        await leaf_rows.keep(self._pool, found)
        head, note = await self._publish(tree)
        self.cosigning.published(head, note)
        LEAVES.set(head.size)
        CHECKPOINT_AT.set_to_current_time()
        self._heads.published()
        await leaf_rows.keep_order(self._pool, self._keys, chain.authority.key or self._keys.newest, self._order)

    async def _require_believed(self, position: int, value: bytes) -> None:
        """Raises Superseded if the log has retired the key meanwhile, before this batch came: this process stood still."""
        self._now = await chain_now(log_topic(self._settings), self._pool, self._keys)
        if not self._now.authority.believes(self._keys, ORDER, 0, position, value):
            raise Superseded("the key of records was rotated while a batch was made")

    async def close(self) -> None:
        await self.cosigning.close()
        await self._topic.close()
        if self._reader is not None:
            await self._reader.close()


async def shows_a_tree(settings: Settings, store: TileStore) -> str:
    """What shows that this log has had a key, in words; "" for nothing. Raises Unavailable."""
    if await store.read(CHECKPOINT) is not None:
        return "a checkpoint is published"
    topic = KafkaTopic(settings, names(settings).order)
    try:
        return f"{names(settings).order} has batches" if await topic.end() else ""
    finally:
        await topic.close()
