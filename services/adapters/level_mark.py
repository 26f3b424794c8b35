"""Which level the log had reached, noted in the database, so that an older version is refused at its start and told why.

The log itself says it, and every reader stops at a level that it does not know. But a reader learns it only when it has come to
that record. A process looks at the note as soon as it has opened the vault, and so `keytrail up` can say why it does not start.

It has a MAC and counts only if the log has the record that it names. So nobody who can write to the database keeps an
installation from starting, and a note that was left by a log which was lost or restored says nothing.
"""

from __future__ import annotations

from typing import Any

from domain.log.authenticity import LEVEL_MARK, Keyring
from domain.log.chain import Chain
from domain.log.levels import LEVEL, why_unknown
from domain.ports import LogRefused
from services.adapters.known_records import has_record
from services.adapters.postgres import Pool, make
from services.adapters.topics import log_topic
from services.logs import logger_of
from services.settings import Settings

log = logger_of("level")

_TABLE = """
CREATE SCHEMA IF NOT EXISTS present;
CREATE TABLE IF NOT EXISTS present.level (
    one bool PRIMARY KEY DEFAULT true CHECK (one), log text NOT NULL, level int NOT NULL, version text NOT NULL,
    position bigint NOT NULL, digest text NOT NULL, mac text NOT NULL
)
"""


async def keep(pool: Pool, keys: Keyring, chain: Chain, level: int, version: str) -> None:
    """Note that the log was at this level when it had the last record of `chain`. A note that says so already stays. Raises
    asyncpg's errors."""
    named = (chain.authority.log, level, version, chain.position, chain.head)
    row = await _read(pool)
    if row is not None:
        *before, mac = row
        if tuple(before[:3]) == named[:3] and keys.holds(mac, LEVEL_MARK, *before, under=keys.newest):
            return
    await make(pool, _TABLE)
    await pool.execute(
        "INSERT INTO present.level (log, level, version, position, digest, mac) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (one) DO UPDATE SET log = excluded.log, level = excluded.level, version = excluded.version, "
        "position = excluded.position, digest = excluded.digest, mac = excluded.mac",
        *named,
        keys.mac(LEVEL_MARK, *named),
    )


async def noted(pool: Pool) -> tuple[int, str] | None:
    """(level, version) as they stand there, for people to look at: anybody who can write to the database may have written them.
    None if no writer has noted them yet."""
    row = await _read(pool)
    return None if row is None else (row[1], row[2])


async def _read(pool: Pool) -> tuple[Any, ...] | None:
    """(log, level, version, position, digest, mac); None if no writer has noted them yet."""
    if await pool.fetchval("SELECT to_regclass('present.level') IS NULL"):
        return None
    row = await pool.fetchrow("SELECT log, level, version, position, digest, mac FROM present.level")
    return None if row is None else tuple(row)


async def require_known(settings: Settings, pool: Pool, keys: Keyring) -> None:
    """Raises LogRefused if the log is at a level that this version does not know; Unavailable, asyncpg's errors."""
    row = await _read(pool)
    if row is None or row[1] <= LEVEL:
        return
    *named, mac = row
    _, level, version, position, head = named
    # Somebody else may have a former key. The next writer that leads notes the level again.
    if not keys.holds(mac, LEVEL_MARK, *named, under=keys.newest):
        log.error("the note of the log's level is not Keytrail's own, or under a former key, and is left alone")
        return
    events = log_topic(settings)
    try:
        if await has_record(events, position, head):
            raise LogRefused(f"{events.topic} cannot be read: {why_unknown(level, version)}.")
    finally:
        await events.close()
