"""An operator's permission to go on although commands were lost before the writer had read them.

Kafka keeps commands for a week; a writer that was away longer finds its next one gone. What was lost was never answered,
but the writer must not skip silently: it waits for this permission, and records the skip on the log.
"""

from __future__ import annotations

from services.adapters.postgres import Pool

_TABLE = """
CREATE SCHEMA IF NOT EXISTS present;
CREATE TABLE IF NOT EXISTS present.skips (
    log text NOT NULL, at timestamptz NOT NULL DEFAULT now(), used bool NOT NULL DEFAULT false
)
"""


async def permit(pool: Pool, log: str) -> None:
    """Let the writer of this log skip once."""
    await pool.execute(_TABLE)
    await pool.execute("INSERT INTO present.skips (log) VALUES ($1)", log)


async def permitted(pool: Pool, log: str) -> bool:
    """Take the permission, if there is one: it holds once."""
    await pool.execute(_TABLE)
    done = await pool.execute("UPDATE present.skips SET used = true WHERE log = $1 AND NOT used", log)
    return done != "UPDATE 0"
