"""The projector from nothing to the end of the topics, and how fast Postgres alone takes the rows."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

import asyncpg
import uvloop

from bench import load
from bench.installed import Installed, until
from projections.decisions.project import COLUMNS
from projections.registry import PROJECTIONS
from services.adapters import topics
from services.adapters.keyring import open_keyring
from services.adapters.log_now import chain_now, log_name
from services.adapters.record_topics import RecordTopics
from services.adapters.topics import log_topic
from services.cli.client import Client
from services.projector import store
from services.projector.feed import EntryFeed
from services.projector.store import ReadTo
from services.projector.worker import BATCH, take_in_all
from services.runtime.bootstrap import open_pool, open_vault
from services.runtime.memory import look_seldom_beside_batches
from services.settings import Settings

LEAST = 200_000


def catch_up(installed: Installed) -> tuple[int, float]:
    """(records, seconds): fill every projection beside the live ones, as the projector does."""
    key = installed.client().create_key()["KeyMetadata"]["KeyId"]
    body = json.dumps({"KeyId": key, "Plaintext": "QUFB"}).encode()
    request = load.signed(installed.url, installed.credentials, "Encrypt", body)
    made = 0
    while made < LEAST:
        made += len(load.run(installed.url, request, 64, 10).latencies)
    _wait_for_the_live_ones(installed)
    look_seldom_beside_batches()
    return uvloop.run(_catch_up(installed.settings))  # the projector has the same


def _wait_for_the_live_ones(installed: Installed) -> None:
    """Wait for the installation's own projector and alert worker, which must catch up with the same, on the same two
    cores."""
    status = Client(installed.data)

    def caught_up() -> bool:
        found = status.get("/v1/status")
        return all(lag == 0 for lag in (*found["lag"].values(), *found["alerts"]["lag"].values()))

    until(caught_up, within=600)  # thousands of policies, each compared by meaning


async def _catch_up(settings: Settings) -> tuple[int, float]:
    pool = await open_pool(settings)
    partitions = await topics.prepare(settings, flush=False)
    keys = await open_keyring(open_vault(settings, pool))
    name = await log_name(log_topic(settings), keys)
    feed = EntryFeed(RecordTopics(settings, partitions), settings.region, keys)
    records = 0
    async with pool.acquire() as connection:
        for projection in PROJECTIONS.values():
            await store.prepare(connection, projection, name, keys, f"bench_{projection.schema}")
    going = store.ProjectorMemory()
    began = time.perf_counter()
    await feed.open(ReadTo(), await chain_now(log_topic(settings), pool, keys))
    pending: asyncio.Task[None] | None = None
    while True:
        batch = await feed.next(BATCH)
        if pending is not None:
            await pending
        pending = asyncio.create_task(take_in_all(pool, batch, keys, going, "bench_"))
        records += len(batch.entries)
        if sum((await feed.lag()).values()) == 0:
            await pending
            break
    taken = time.perf_counter() - began
    async with pool.acquire() as connection:
        for projection in PROJECTIONS.values():
            await connection.execute(f"DROP SCHEMA bench_{projection.schema} CASCADE")
    await feed.close()
    await pool.close()
    return records, taken


def copy_yardstick(installed: Installed) -> float:
    """Rows a second that Postgres takes by COPY into a table as wide, with one index."""
    return asyncio.run(_copy(installed.settings))


async def _copy(settings: Settings) -> float:
    connection = await asyncpg.connect(settings.postgres)
    columns = ", ".join(f"{name} text" for name in COLUMNS[1:])
    await connection.execute(f"CREATE TABLE bench_copy (at timestamptz, {columns})")
    await connection.execute("CREATE INDEX ON bench_copy (at)")
    row = (datetime.now(UTC), *["x" * 20 for _ in COLUMNS[1:]])
    began = time.perf_counter()
    for _ in range(10):
        await connection.copy_records_to_table("bench_copy", records=[row] * BATCH)
    taken = time.perf_counter() - began
    await connection.execute("DROP TABLE bench_copy")
    await connection.close()
    return 10 * BATCH / taken
