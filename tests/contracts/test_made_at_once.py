"""Tables that several processes create when they start at the same time."""

from __future__ import annotations

import asyncio

from projections.registry import PROJECTIONS
from services.adapters import origin, skips, snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool, connect
from services.audit_api.readiness import wait_for_projections
from services.projector import store
from services.settings import Settings
from tests.keys import ROOT, process_keys
from tests.telling import Vault

PROCESSES = 8


async def test_processes_that_start_together_make_the_same_tables(database: Settings) -> None:
    """The later one of two projectors ended with an error of Postgres's, and so did its readers."""
    pool = await connect(database, size=3 * PROCESSES)
    keys = VaultKeyring(Vault(), [ROOT], strict=True)
    try:
        for _ in range(5):
            await pool.execute("DROP SCHEMA IF EXISTS present CASCADE")
            await asyncio.gather(
                *(origin.require(pool, "log", "events") for _ in range(PROCESSES)),
                *(skips.permitted(pool, keys, "log", 7) for _ in range(PROCESSES)),
                *(snapshots.prepare(pool) for _ in range(PROCESSES)),
            )
    finally:
        await pool.close()


async def test_a_worker_that_starts_waits_for_the_first_tables_of_the_projections(pool: Pool) -> None:
    """A question right after the first start, or a restore, was refused."""
    for each in PROJECTIONS.values():
        await pool.execute(f"DROP SCHEMA IF EXISTS {each.schema} CASCADE")
    waiting = asyncio.create_task(wait_for_projections(pool))
    for each in PROJECTIONS.values():
        assert not waiting.done()
        async with pool.acquire() as connection:
            await store.prepare(connection, each, "log", process_keys())
    await asyncio.wait_for(waiting, 5)
    assert await store.are_made(pool, PROJECTIONS.values())
