"""The projector at work: it keeps each projection at the end of the log, and takes snapshots of the world."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Sequence

from domain.log.lane import Tails
from domain.ports import OutOfRange
from domain.state.world import World
from projections.log.entry import DECISIONS, EVENTS
from projections.registry import PROJECTIONS, Projection
from services.adapters import keyring, origin, snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import chain_now, log_name
from services.adapters.postgres import INTERRUPTED, Pool
from services.adapters.topics import log_topic
from services.clock import Clock
from services.logs import logger_of
from services.metrics import LAG, PROJECTED_AT, VOIDS
from services.projector import projected_records, store
from services.projector.feed import Batch, EntryFeed
from services.projector.known_log import GO_ON, require_known_log
from services.projector.store import ReadTo
from services.projector.tails import Observer
from services.projector.topics import ProjectedTopics
from services.runtime.processes import pause_after
from services.settings import Settings
from services.traces.tracer import TRACES

log = logger_of("projector")

BATCH = 10_000
SNAPSHOT_EVERY = 5_000


async def project(topics: ProjectedTopics, pool: Pool, keys: VaultKeyring, region: str, clock: Clock) -> None:
    """Follows the topics for ever. `region`: that of keys. Raises OutOfRange and Unreadable, which another try would not cure."""
    await keys.read_again()  # a standby may have waited for weeks
    name = await log_name(topics.events(), keys)
    await origin.require(pool, name, topics.name)
    observer = Observer(topics.commands(), keys, name, clock)
    looking = asyncio.create_task(observer.keep_looking())
    try:
        await _follow_for_ever(topics, pool, keys, region, name, observer)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _follow_for_ever(
    topics: ProjectedTopics, pool: Pool, keys: VaultKeyring, region: str, name: str, observer: Observer
) -> None:
    anew: set[str] = set()
    going = store.ProjectorMemory()
    while True:
        try:
            await _prepare(topics, pool, keys, name, anew)
            anew.clear()
            await _follow(topics, pool, keys, region, observer, going)
        except store.ProjectionChanged as fault:
            log.error("a projection was changed by somebody else; it is rebuilt", what=str(fault))
            anew.update([fault.schema] if fault.anew else [])
            going = store.ProjectorMemory()
            await asyncio.sleep(0.5)
        except INTERRUPTED as fault:
            # The positions show how far the interrupted batch got. They must not have gone back meanwhile.
            going = store.ProjectorMemory(seen=going.seen)
            log.warning("projecting was interrupted; continuing from the stored positions", reason=repr(fault))
            await asyncio.sleep(0.5)


async def _prepare(topics: ProjectedTopics, pool: Pool, keys: VaultKeyring, name: str, anew: Container[str]) -> None:
    """`anew`: schemas to rebuild whatever their tables contain."""
    rotated = len(keys.names()) > 1
    retired = (await chain_now(topics.events(), pool, keys)).authority.retired if rotated else {}
    async with pool.acquire() as connection:
        for projection in PROJECTIONS.values():
            again = projection.schema in anew
            await store.prepare(connection, projection, name, keys, retired=retired, anew=again, is_cut=topics.are_cut)


async def _stored(
    pool: Pool, keys: VaultKeyring, retired: Container[str], going: store.ProjectorMemory
) -> list[tuple[Projection, ReadTo]]:
    """How far each projection has read, by its stored positions. Raises ProjectionChanged."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        stored = [
            (projection, await store.reached(connection, projection, keys, retired))
            for projection in PROJECTIONS.values()
        ]
    for projection, each in stored:
        store.require_onward(projection, each.offsets, going.seen.get(projection.schema, {}))
    return stored


def start_of(stored: Sequence[tuple[Projection, ReadTo]]) -> ReadTo:
    """Where to begin reading for these projections, which have read so far: the lowest position of each partition. Digests and
    lanes are those of the reader that is there, since the next record is judged by what is before it."""
    start = ReadTo()
    for where in {where for _, each in stored for where in each.offsets}:
        readers = [each for projection, each in stored if where[0] in projection.topics]
        lowest = min(readers, key=lambda each: each.offsets.get(where, 0))
        start.offsets[where] = lowest.offsets.get(where, 0)
        if where[0] == EVENTS:
            start.digest, start.authority = lowest.digest, lowest.authority
        elif where in lowest.last:
            start.last[where] = lowest.last[where]
        if where[0] == DECISIONS:  # a lane is on one partition
            start.lanes |= {name: lane for name, lane in lowest.lanes.items() if lane.partition == where[1]}
    # Anchors are records of `events`, which is read again from the lowest position on.
    of_decisions = [each for projection, each in stored if DECISIONS in projection.topics]
    start.anchored = min(of_decisions, key=lambda each: each.offsets.get((EVENTS, 0), 0)).anchored
    return start


async def _follow(
    topics: ProjectedTopics,
    pool: Pool,
    keys: VaultKeyring,
    region: str,
    observer: Observer,
    going: store.ProjectorMemory,
) -> None:
    feed = EntryFeed(topics.records(), region, keys)
    now = await chain_now(topics.events(), pool, keys)
    stored = await _stored(pool, keys, now.authority.retired, going)
    await require_known_log(topics, [each.on_log for _, each in stored], keys)
    start = start_of(stored)
    observer.begin(Tails(start.lanes, start.anchored, time.monotonic()))
    await feed.open(start, now)
    writing_batch: asyncio.Task[None] | None = None
    try:
        while True:
            batch = await _next(feed)
            if batch.has_only_void_events:
                await require_known_log(topics, [batch.reached.on_log], keys)
            observer.read(batch.reached.lanes, batch.reached.anchored)
            # While Postgres writes one batch, this process reads and parses the next: they share no processor time.
            if writing_batch is not None:
                await writing_batch
            PROJECTED_AT.set_to_current_time()
            writing_batch = (
                asyncio.create_task(_take_in_traced(pool, batch, keys, going)) if batch.reached.offsets else None
            )
            if batch.voids:
                VOIDS.labels("projector").inc(batch.voids)
            lag = await feed.lag()
            for topic, count in lag.items():
                LAG.labels(topic).set(count)
            if not any(lag.values()):
                await asyncio.sleep(pause_after(len(batch.entries)))
    finally:
        if writing_batch is not None:
            await asyncio.gather(writing_batch, return_exceptions=True)
        await feed.close()


async def _next(feed: EntryFeed) -> Batch:
    try:
        return await feed.next(BATCH)
    except OutOfRange as fault:
        raise OutOfRange(f"{fault}: {GO_ON}") from fault


async def _take_in_traced(pool: Pool, batch: Batch, keys: VaultKeyring, going: store.ProjectorMemory) -> None:
    began = time.time_ns()
    await take_in_all(pool, batch, keys, going)
    if TRACES.tracer is not None:
        projected_records.trace(TRACES.tracer, batch.entries, began)


async def take_in_all(
    pool: Pool, batch: Batch, keys: VaultKeyring, going: store.ProjectorMemory, prefix: str = ""
) -> None:
    """Writes a batch into each projection that reads its topics, each in a separate transaction."""
    async with pool.acquire() as connection:
        for projection in PROJECTIONS.values():
            if any(topic in projection.topics for topic, _ in batch.reached.offsets):
                schema = f"{prefix}{projection.schema}"
                await store.take_in(connection, projection, batch.entries, batch.reached, keys, schema, going)


def _size_of(world: World) -> int:
    """How many things a snapshot holds. With more of them it takes longer, so it waits for more records."""
    grants = sum(len(held) for held in world.grants.values())
    return len(world.keys) + grants + len(world.directory.identities) + len(world.directory.policies)


async def keep_snapshots(settings: Settings, pool: Pool, keys: VaultKeyring) -> None:
    """Takes a snapshot of the world every so many records, so that a start folds only the last of them. Also takes one after each
    rotation of the key of records, since snapshots under the former key are then useless."""
    events = log_topic(settings)
    while True:
        try:
            fold = await snapshots.restore(pool, events, keys)
            kept, key = fold.next, fold.chain.authority.key
            reader = await events.reader(fold.next)
            try:
                while True:
                    for stored in await reader.read(1000):
                        await keyring.take(fold, stored, keys)
                    new = fold.next - kept
                    due = new >= SNAPSHOT_EVERY and new >= _size_of(fold.world) // 4
                    before, key = key, fold.chain.authority.key
                    if due or (before and before != key):
                        await snapshots.save(pool, fold)
                        kept = fold.next
            finally:
                await reader.close()
        except INTERRUPTED as fault:
            log.warning("snapshots were interrupted", reason=repr(fault))
            await asyncio.sleep(1)
