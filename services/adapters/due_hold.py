"""A restore's hold on what is due: the writer destroys no key material of this log until an operator releases it.

A restore brings back a log from before some cancellations, and each deletion and expiry that fell due since then is due at once.
The writer would carry them out within a second, before anybody could cancel one of them again. So a restore leaves this hold, and
`keytrail release-due` lifts it.

Its MAC may be under any key of the keyring: a rotation must not lift it. Whoever can write to the database can lift it, and could
remove the rows of the key material as well.
"""

from __future__ import annotations

from domain.log.authenticity import DUE_HOLD
from domain.ports import Unavailable
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import INTERRUPTED, Pool, make

_TABLE = """
CREATE SCHEMA IF NOT EXISTS present;
CREATE TABLE IF NOT EXISTS present.due_holds (log text PRIMARY KEY, mac text NOT NULL, at timestamptz NOT NULL DEFAULT now())
"""


async def put(pool: Pool, keys: VaultKeyring, log: str) -> None:
    """Hold the deletions and expiries of this log. Raises asyncpg's errors."""
    await make(pool, _TABLE)
    await pool.execute(
        "INSERT INTO present.due_holds (log, mac) VALUES ($1, $2) ON CONFLICT (log) DO UPDATE SET mac = excluded.mac",
        log,
        keys.mac(DUE_HOLD, log),
    )


async def stands(pool: Pool, keys: VaultKeyring, log: str) -> bool:
    """Whether Keytrail put a hold on this log that nobody has lifted. Raises Unavailable: then nobody knows."""
    try:
        if await pool.fetchval("SELECT to_regclass('present.due_holds') IS NULL"):
            return False
        mac = await pool.fetchval("SELECT mac FROM present.due_holds WHERE log = $1", log)
        if mac is None:
            return False
        await keys.know_that_of(mac)
    except INTERRUPTED as fault:
        raise Unavailable(f"the database does not say whether deletions are held: {fault!r}") from fault
    return keys.holds(mac, DUE_HOLD, log)


async def lift(pool: Pool, log: str) -> None:
    """Raises asyncpg's errors."""
    await pool.execute("DELETE FROM present.due_holds WHERE log = $1", log)
