"""An operator's permission to go on although commands were lost before the writer read them, or records before the notary did.

Kafka keeps commands for a week. A writer that was away for longer finds that its next command is gone. The lost commands were
never answered, but the writer must not skip them silently: it waits for this permission, and records the skip on the log.

A permission is valid for one log and for one next command. Once that skip is recorded, the log goes on from another command, so
a permission that is restored permits nothing. The writer takes it within seconds, so a permission is not sealed again when its
key is rotated: it then permits nothing, and the operator gives another.

The notary needs one for each partition (`of_leaves`), for its next record, and names the records in a batch.

Alert workers need one (`of_judging`) where brokers lost records of the log that were judged. An alert names who gave it.
They read the permission and do not take it, since a worker that is killed before everything is judged anew needs it again. It
goes with the positions that it was given for (`none_of_judging`): after a restore it would permit the same loss once more.
"""

from __future__ import annotations

from uuid import uuid4

from domain.log.authenticity import PERMIT, Keyring
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection, Pool, make

_TABLE = """
CREATE SCHEMA IF NOT EXISTS present;
CREATE TABLE IF NOT EXISTS present.permits (
    id text PRIMARY KEY, log text NOT NULL, next_command bigint NOT NULL, mac text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
)
"""


def of_leaves(log: str, kind: str, partition: int) -> str:
    """In the place of the log's id, for the notary and one partition."""
    return f"{log} leaves {kind} {partition}"


def of_judging(log: str, head: str) -> str:
    """In the place of the log's id, for alert workers. `head` is the digest of the last record that was judged."""
    return f"{_judging(log)}{head}"


def _judging(log: str) -> str:
    return f"{log} judged "


async def permit(pool: Pool, keys: Keyring, log: str, next_command: int, by: str = "") -> None:
    """Permit the writer of this log to skip the missing commands and go on at this offset. `by`: who permits it."""
    await make(pool, _TABLE)
    name = f"{uuid4()} {by}".rstrip()
    await pool.execute(
        "INSERT INTO present.permits (id, log, next_command, mac) VALUES ($1, $2, $3, $4)",
        name,
        log,
        next_command,
        keys.mac(PERMIT, name, log, next_command),
    )


async def permitted(pool: Pool, keys: VaultKeyring, log: str, next_command: int) -> bool:
    """Take the permission for this log and offset, if Keytrail gave one."""
    await make(pool, _TABLE)
    await keys.read_again()  # before the permission is taken: the vault may not answer
    rows = await pool.fetch(
        "DELETE FROM present.permits WHERE log = $1 AND next_command = $2 RETURNING id, mac", log, next_command
    )
    return any(keys.holds(row["mac"], PERMIT, row["id"], log, next_command, under=keys.newest) for row in rows)


_IS_THERE = "SELECT to_regclass('present.permits') IS NOT NULL"


async def none_of_judging(connection: Connection, log: str) -> None:
    """Remove the permissions that alert workers of this log had: they begin anew in this transaction, by one of them or not."""
    if await connection.fetchval(_IS_THERE):
        await connection.execute("DELETE FROM present.permits WHERE starts_with(log, $1)", _judging(log))


async def given_by(pool: Pool, keys: VaultKeyring, log: str, next_command: int) -> str | None:
    """Who gave this permission, which stays there; None if nobody did."""
    if not await pool.fetchval(_IS_THERE):
        return None
    await keys.read_again()
    rows = await pool.fetch(
        "SELECT id, mac FROM present.permits WHERE log = $1 AND next_command = $2", log, next_command
    )
    for row in rows:
        if keys.holds(row["mac"], PERMIT, row["id"], log, next_command, under=keys.newest):
            return str(row["id"]).partition(" ")[2]
    return None
