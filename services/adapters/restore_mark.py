"""The mark of a restore that is under way, in the database that it fills: nothing starts on what a killed restore left.

A vault without its log passes for a new installation, and a log that was cut for a whole one: a grant that was revoked later is
in force again, and key material that only the lost records name is swept. The mark in the data folder does not show it on an
operator's own servers, since that folder may be gone with its container.

It stands in schema `vault`, the one schema that no message asks to drop alone. It has no MAC, since the keys are among what is
restored. Whoever can write to the database can keep Keytrail from starting with it, as with any row of `vault.seal`.
"""

from __future__ import annotations

from domain.ports import LogRefused
from services.adapters.postgres import Pool, make
from services.adapters.topics import names
from services.adapters.vault import WAITS_FOR_STANDBY
from services.settings import Settings

_TABLE = """
CREATE SCHEMA IF NOT EXISTS vault;
CREATE TABLE IF NOT EXISTS vault.restoring (
    one bool PRIMARY KEY DEFAULT true CHECK (one), at timestamptz NOT NULL DEFAULT now()
)
"""


async def put(pool: Pool) -> None:
    """Mark the database before a restore writes to it. Raises asyncpg's errors: UniqueViolationError if it is marked already."""
    await make(pool, _TABLE)
    await _durably(pool, "INSERT INTO vault.restoring DEFAULT VALUES")


async def remove(pool: Pool) -> None:
    """The restore is whole. Raises asyncpg's errors."""
    await _durably(pool, "DELETE FROM vault.restoring")


async def _durably(pool: Pool, statement: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(WAITS_FOR_STANDBY)
        await connection.execute(statement)


async def stands(pool: Pool) -> bool:
    """Raises asyncpg's errors."""
    if await pool.fetchval("SELECT to_regclass('vault.restoring') IS NULL"):
        return False
    return bool(await pool.fetchval("SELECT EXISTS (SELECT FROM vault.restoring)"))


def what_to_do(settings: Settings) -> str:
    """What is wrong where the mark stands, and how to begin anew."""
    found = names(settings)
    return (
        "A restore into this database was not finished, or is under way. If it was ended, what it left is no installation: end "
        "every process of Keytrail, empty the database (DROP SCHEMA IF EXISTS vault, present CASCADE) and delete the topics "
        f"{found.events} and {found.decisions}, or name others (KEYTRAIL_POSTGRES, KEYTRAIL_TOPIC_PREFIX). Then run "
        "`keytrail restore` again."
    )


async def require_none(settings: Settings, pool: Pool) -> None:
    """Raises LogRefused while the mark stands; asyncpg's errors."""
    if await stands(pool):
        raise LogRefused(what_to_do(settings))
