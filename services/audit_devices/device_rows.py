"""The rows of audit devices, as people see them: which devices there are, what waits, why one fails, whether the file names it.

The process at work says at its start which devices the file names, since it alone has the file in every arrangement. Nobody
but the process believes a position (positions.py); nothing here decides what a device is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.postgres import Pool, make
from services.rendering import utc

SCHEMA = "auditing"
_TABLE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.devices (
    device text PRIMARY KEY, log text NOT NULL, document text NOT NULL, mac text NOT NULL,
    at timestamptz NOT NULL, fault text NOT NULL
);
-- For people, and under no MAC: since when it fails, whether the file names it, and its kind.
ALTER TABLE {SCHEMA}.devices ADD COLUMN IF NOT EXISTS since timestamptz;
ALTER TABLE {SCHEMA}.devices ADD COLUMN IF NOT EXISTS named bool NOT NULL DEFAULT true;
ALTER TABLE {SCHEMA}.devices ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT '';
"""
_AT_WORK = (
    "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 AND objsubid = 1 "
    f"AND objid = {AdvisoryLock.AUDIT_DEVICES:d} "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
"""Whether a process has the lock of the one that is at work."""


async def prepare(pool: Pool) -> None:
    await make(pool, _TABLE)


async def declare(pool: Pool, kinds: Mapping[str, str]) -> None:
    """Keep which devices the file names, and the kind of each. The process that is at work says it, before they begin. Raises
    Postgres's errors."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            f"UPDATE {SCHEMA}.devices SET named = false WHERE named AND device <> ALL ($1)", list(kinds)
        )
        await connection.executemany(
            f"INSERT INTO {SCHEMA}.devices (device, log, document, mac, at, fault, named, kind) "
            "VALUES ($1, '', '', '', $3, '', true, $2) "
            "ON CONFLICT (device) DO UPDATE SET named = true, kind = excluded.kind",
            [(device, kind, datetime.now(UTC)) for device, kind in kinds.items()],
        )


async def state(pool: Pool) -> list[dict[str, Any]]:
    """Of each device that ever ran here: `next` is the next offset of each partition, `fault` why it takes nothing ("" if it
    does), `since` since when. `named`: whether the file names it, as the process at work read it; None if none is at work.
    Raises Postgres's errors."""
    if await _never_ran(pool):
        return []
    rows = await pool.fetch(
        f"SELECT device, kind, document, fault, since, CASE WHEN {_AT_WORK} THEN named END AS named "
        f"FROM {SCHEMA}.devices ORDER BY device"
    )
    return [
        {
            "device": row["device"],
            "kind": row["kind"],
            "named": row["named"],
            "next": orjson.loads(row["document"])["next"] if row["document"] else {},
            "fault": row["fault"],
            "since": utc(row["since"]) if row["fault"] and row["since"] else None,
        }
        for row in rows
    ]


async def forget(pool: Pool, device: str) -> bool | None:
    """Remove what is kept of a device. False if the process at work runs it, None if nothing is kept of it. Raises Postgres's
    errors."""
    if await _never_ran(pool):
        return None
    removed = await pool.fetchval(
        f"DELETE FROM {SCHEMA}.devices WHERE device = $1 AND NOT (named AND {_AT_WORK}) RETURNING true", device
    )
    if removed:
        return True
    there = await pool.fetchval(f"SELECT true FROM {SCHEMA}.devices WHERE device = $1", device)
    return False if there else None


async def _never_ran(pool: Pool) -> bool:
    return bool(await pool.fetchval("SELECT to_regclass($1) IS NULL", f"{SCHEMA}.devices"))
