"""Rebuilds a projection beside the live one, then replaces the live one by renaming, so readers never see it half full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from domain.ports import Unavailable
from projections.log.entry import DECISIONS
from projections.registry import Projection
from services.adapters import topics
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.keyring import VaultKeyring
from services.adapters.log_now import chain_now, log_name
from services.adapters.postgres import Connection, Pool
from services.adapters.record_topics import RecordTopics, topics_read
from services.adapters.topic_bounds import ends
from services.adapters.topics import log_topic
from services.projector import store
from services.projector.feed import EntryFeed
from services.projector.store import ReadTo
from services.projector.worker import BATCH
from services.settings import Settings

Ends = Callable[[Settings, str], Awaitable[dict[int, int]]]
"""Finds where each partition of a topic ends."""
HELD: tuple[type[BaseException], ...] = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
"""The errors of a swap that somebody who reads the live tables has to make room for."""
LOCK_PATIENCE = "2s"
"""While a swap waits for the tables, whoever asks for them later waits behind it: every question, and the projector. It is longer
than Postgres's deadlock_timeout, after which a vacuum gives way."""
BETWEEN_SWAPS = 3.0


async def rebuild_projection(
    settings: Settings, pool: Pool, keys: VaultKeyring, projection: Projection, tell: Callable[[str, int, int], None]
) -> int:
    """Returns from how many records it built the projection. `tell(what is being done, records done, of how many)`.

    If it is killed, the live projection is unchanged, and the next rebuild begins from the start. A long reader of the live
    tables (a verification, pg_dump) is waited for, and what comes meanwhile is read. Raises Unavailable.
    """
    beside = f"{projection.schema}_beside"
    name = await log_name(log_topic(settings), keys)
    partitions = await topics.prepare(settings, flush=False)
    done = 0
    feed = EntryFeed(RecordTopics(settings, partitions), settings.region, keys)
    going = store.ProjectorMemory()
    async with pool.acquire() as connection, _alone(connection, projection):
        await connection.execute(f"DROP SCHEMA IF EXISTS {beside} CASCADE")
        await store.prepare(connection, projection, name, keys, beside)
        is_cut = await feed.open(ReadTo(), await chain_now(log_topic(settings), pool, keys))
        try:
            while True:
                batch = await feed.next(BATCH)
                if batch.reached.offsets:
                    done += await store.take_in(
                        connection, projection, batch.entries, batch.reached, keys, beside, going
                    )
                lag = await feed.lag()
                behind = sum(lag[topic] for topic in projection.topics)
                tell(f"rebuilding {projection.name}", done, done + behind)
                try:
                    if behind == 0 and await _swapped(settings, pool, projection, beside, is_cut=is_cut):
                        return done
                except HELD:
                    tell(f"waiting for those who read {projection.name}", 0, 0)
                    await asyncio.sleep(BETWEEN_SWAPS)
        finally:
            await feed.close()


@asynccontextmanager
async def _alone(connection: Connection, projection: Projection) -> AsyncIterator[None]:
    """Two rebuilds of one projection would fill and drop the same tables. Raises Unavailable."""
    schema = projection.schema
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", AdvisoryLock.REBUILD, schema):
        raise Unavailable(f"another rebuild of {projection.name} is under way")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", AdvisoryLock.REBUILD, schema)


async def _swapped(
    settings: Settings, pool: Pool, projection: Projection, beside: str, ends: Ends = ends, *, is_cut: bool = False
) -> bool:
    """Swaps the two, unless the live projection has moved on meanwhile: then there is more to read first. If the live one has a
    position beyond the end of a topic, it does not count, since somebody else wrote it. Raises HELD."""
    live = projection.schema
    async with pool.acquire() as connection, connection.transaction():
        before = await _live_positions(connection, live)
    held = {
        (topic, partition): end
        for topic, name in topics_read(settings).items()
        if topic in projection.topics
        for partition, end in (await ends(settings, name)).items()
    }
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}'")
        old = await _live_positions(connection, live, lock=True)
        new = await store.positions(connection, beside)
        for where, end in held.items():
            # The topics were asked before the lock was there. A position that is beyond such an end only now is of records that
            # came meanwhile: tables without them would look as if positions had gone back.
            needed = end if before.get(where, 0) > end else old.get(where, 0)
            if new.get(where, 0) < needed:
                return False
        if is_cut and DECISIONS in projection.topics:  # the old one has decisions that the topic no longer has
            await store.keep_aside(connection, live)
        else:
            await connection.execute(f"DROP SCHEMA IF EXISTS {live} CASCADE")
        await connection.execute(f"ALTER SCHEMA {beside} RENAME TO {live}")
    return True


async def _live_positions(connection: Connection, live: str, *, lock: bool = False) -> dict[store.Partition, int]:
    """Where the live projection is; `lock`: it moves no further. Nowhere, if somebody took its table away or changed its columns:
    no projector goes on with that. Raises HELD."""
    try:
        async with connection.transaction():
            if lock:
                await connection.execute(f"LOCK TABLE {live}.positions IN ACCESS EXCLUSIVE MODE")
            found = await store.positions(connection, live)
            return {where: following for where, following in found.items() if isinstance(following, int)}
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError, asyncpg.InvalidSchemaNameError):
        return {}
