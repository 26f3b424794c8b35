"""Which log this database belongs to, so that a lost log is never taken for a new one.

A topic that was deleted and created again is empty. A writer that then began a new log would answer that no key was ever made.
Each database has one log: the writer's first start records which, and every later start compares.
"""

from __future__ import annotations

from domain.ports import LogRefused
from services.adapters.postgres import Pool, make

_TABLE = """
CREATE SCHEMA IF NOT EXISTS present;
CREATE TABLE IF NOT EXISTS present.origin (one bool PRIMARY KEY DEFAULT true CHECK (one), log text NOT NULL)
"""


async def require(pool: Pool, log: str, topic: str) -> None:
    """`log` is the name in the log's first record, "" for an empty topic. Raises LogRefused."""
    await make(pool, _TABLE)
    if log:
        await pool.execute("INSERT INTO present.origin (log) VALUES ($1) ON CONFLICT DO NOTHING", log)
    noted = await pool.fetchval("SELECT log FROM present.origin")
    if noted is None or noted == log:
        return
    found = f"holds log {log}" if log else "is empty"
    raise LogRefused(
        f"The database belongs to log {noted}, and {topic} {found}: the topic was deleted or made anew, or this is "
        "another installation's database. Bring the topic back, or name an empty database in KEYTRAIL_POSTGRES."
    )
