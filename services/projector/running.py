"""The projector at work: every projection kept at the end of the log, and snapshots of the world on the way."""

from __future__ import annotations

import asyncio

import structlog

from domain.trail.reading import Fold
from projections.entry import EVENTS
from projections.registry import PROJECTIONS
from services.adapters import origin, snapshots, topics
from services.adapters.kafka import KafkaTopic
from services.adapters.postgres import INTERRUPTED, Pool
from services.metrics import LAG, VOIDS
from services.projector import writing
from services.projector.feed import Batch, Feed
from services.settings import Settings

log = structlog.get_logger("projector")

BATCH = 10_000
SNAPSHOT_EVERY = 5_000


async def log_name(settings: Settings) -> str:
    """The log's name, from its first record; waits until a writer has made it."""
    events = KafkaTopic(settings, topics.names(settings).events)
    try:
        reader = await events.reader(0)
        try:
            fold = Fold()
            while not fold.world.log:
                for stored in await reader.read(1):
                    fold.take(stored.offset, stored.value)
            return fold.world.log
        finally:
            await reader.close()
    finally:
        await events.close()


async def project(settings: Settings, pool: Pool, partitions: int) -> None:
    """Follow for ever. Raises OutOfRange and Unreadable, which trying again does not mend."""
    name = await log_name(settings)
    await origin.require(pool, name, topics.names(settings).events)
    async with pool.acquire() as connection:
        for projection in PROJECTIONS.values():
            await writing.prepare(connection, projection, name)
    while True:
        try:
            await _follow(settings, pool, partitions)
        except INTERRUPTED as fault:
            # Whatever was under way is settled by the positions, which are read again.
            log.warning("projecting was interrupted; going on from the stored positions", reason=repr(fault))
            await asyncio.sleep(0.5)


async def _start(pool: Pool) -> tuple[dict[writing.Partition, int], str]:
    """Where to read from: the lowest position of any projection; and the digest that belongs to it on events."""
    start: dict[writing.Partition, int] = {}
    head = ""
    async with pool.acquire() as connection:
        stored = [
            (projection, await writing.positions(connection, projection.schema)) for projection in PROJECTIONS.values()
        ]
    partitions = {where for _, positions in stored for where in positions}
    for where in partitions:
        readers = [positions for projection, positions in stored if where[0] in projection.topics]
        lowest = min((positions.get(where, (0, "")) for positions in readers), key=lambda each: each[0])
        start[where] = lowest[0]
        if where[0] == EVENTS:
            head = lowest[1]
    return start, head


async def _follow(settings: Settings, pool: Pool, partitions: int) -> None:
    start, head = await _start(pool)
    feed = Feed(settings, partitions, settings.region)
    await feed.open(start, head)
    writing_batch: asyncio.Task[None] | None = None
    going = writing.Going()
    try:
        while True:
            batch = await feed.next(BATCH)
            # Postgres writes one batch while the next is read and parsed: they share no processor time.
            if writing_batch is not None:
                await writing_batch
            writing_batch = asyncio.create_task(take_in_all(pool, batch, going)) if batch.reached else None
            if batch.voids:
                VOIDS.labels("projector").inc(batch.voids)
            for topic, count in (await feed.lag()).items():
                LAG.labels(topic).set(count)
    finally:
        if writing_batch is not None:
            await asyncio.gather(writing_batch, return_exceptions=True)
        await feed.close()


async def take_in_all(pool: Pool, batch: Batch, going: writing.Going, prefix: str = "") -> None:
    """A batch into every projection that reads of it, each in a transaction of its own."""
    async with pool.acquire() as connection:
        for projection in PROJECTIONS.values():
            if any(topic in projection.topics for topic, _ in batch.reached):
                schema = f"{prefix}{projection.schema}"
                await writing.take_in(connection, projection, batch.entries, batch.reached, batch.head, schema, going)


async def keep_snapshots(settings: Settings, pool: Pool) -> None:
    """A snapshot of the world every so many records, so that a start folds a tail."""
    events = KafkaTopic(settings, topics.names(settings).events)
    while True:
        try:
            fold = await snapshots.restore(pool, events)
            kept = fold.next
            reader = await events.reader(fold.next)
            try:
                while True:
                    for stored in await reader.read(1000):
                        fold.take(stored.offset, stored.value)
                    # A snapshot takes as long as its keys: where there are many, it waits for more records.
                    if fold.next - kept >= max(SNAPSHOT_EVERY, len(fold.world.keys) // 4):
                        await snapshots.save(pool, fold)
                        kept = fold.next
            finally:
                await reader.close()
        except INTERRUPTED as fault:
            log.warning("snapshots were interrupted", reason=repr(fault))
            await asyncio.sleep(1)
