"""The notifiers' tables, and what everybody may ask of them.

Every row carries a MAC. What a notifier believes, adds and removes is in ledger.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncpg import UndefinedColumnError

from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.postgres import Connection, Pool
from services.logs import logger_of
from services.rendering import item, utc

log = logger_of("notifier")

_TABLES = """
CREATE SCHEMA IF NOT EXISTS notifying;
-- How far has each notifier been told? `settled`: every alert below this offset was told or given up when all rows were last
-- proved. `serial` is the number that its next row gets, `total` the hidden sum of its rows (domain/log/row_sets).
CREATE TABLE IF NOT EXISTS notifying.cursors (
    notifier text PRIMARY KEY, log text NOT NULL, number bigint NOT NULL, since timestamptz NOT NULL,
    settled bigint NOT NULL, serial bigint NOT NULL, total text NOT NULL, mac text NOT NULL
);
-- The digest of the value at `number`; '' where that is not known.
ALTER TABLE notifying.cursors ADD COLUMN IF NOT EXISTS last text NOT NULL DEFAULT '';
-- What is held back of each group? `rule` holds the group's name (a rule alone in rows of 0.1.0), `document` a Storm (storms.py).
CREATE TABLE IF NOT EXISTS notifying.storms (
    notifier text, rule text, document text NOT NULL, mac text NOT NULL, PRIMARY KEY (notifier, rule)
);
-- Which messages wait? `lowest` is the first offset that one tells of. `attempts` and `fault` are shown, and nothing follows
-- from them: they are not under the MAC.
CREATE TABLE IF NOT EXISTS notifying.outbox (
    notifier text, number bigint, id text NOT NULL, message text NOT NULL, lowest bigint NOT NULL,
    since timestamptz NOT NULL, attempts int NOT NULL DEFAULT 0, fault text NOT NULL DEFAULT '', mac text NOT NULL,
    PRIMARY KEY (notifier, number)
);
-- Which were given up? `again`: somebody asked for another try, which the notifier makes; not under the MAC, since everybody
-- may ask.
CREATE TABLE IF NOT EXISTS notifying.dead (
    notifier text, number bigint, id text NOT NULL, message text NOT NULL, lowest bigint NOT NULL,
    since timestamptz NOT NULL, attempts int NOT NULL, fault text NOT NULL, at timestamptz NOT NULL,
    again bool NOT NULL DEFAULT false, mac text NOT NULL, PRIMARY KEY (notifier, number)
);
CREATE INDEX IF NOT EXISTS dead_again ON notifying.dead (notifier, number) WHERE again;
"""
_EARLIER = """
CREATE TEMPORARY TABLE before ON COMMIT DROP AS SELECT notifier, log, since, least(number, (
    SELECT min((message->'alert'->>'number')::bigint) - 1 FROM notifying.outbox o WHERE o.notifier = c.notifier
), (
    SELECT min((first->>'number')::bigint) - 1 FROM notifying.storms s WHERE s.notifier = c.notifier
)) AS number FROM notifying.cursors c
"""
"""How far each notifier of a version without MACs had sent alerts, less those that waited: these are taken from the topic and
sent."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits. `message` is what happened (Message in storms.py). `row` is the row in Postgres; `times`: see
    Ledger."""

    number: int
    id: str
    message: dict[str, Any]
    since: datetime
    row: Any = None
    times: int = 0


async def prepare(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.PREPARE_NOTIFYING)
        before = await _of_an_earlier_version(connection)
        await connection.execute(_TABLES)
        if before:
            await connection.execute(
                "INSERT INTO notifying.cursors SELECT notifier, log, number, since, 0, 0, '', '' FROM before"
            )


async def _of_an_earlier_version(connection: Connection) -> bool:
    """Whether there were tables of an earlier version. They are dropped, and their cursors kept in a temporary table."""
    if await connection.fetchval("SELECT to_regclass('notifying.cursors') IS NULL"):
        return False
    columns = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'notifying' AND table_name = 'cursors'"
    )
    if any(row["column_name"] == "mac" for row in columns):
        return False
    dead = await connection.fetchval("SELECT count(*) FROM notifying.dead")
    await connection.execute(_EARLIER)
    await connection.execute("DROP TABLE notifying.cursors, notifying.storms, notifying.outbox, notifying.dead")
    log.info(
        "the notifiers' tables of an earlier version were replaced; what waited is read from the topic and told",
        dead_letters_left_out=dead,
    )
    return True


async def state(pool: Any) -> list[dict[str, Any]]:
    """How many messages of each notifier wait, and how many were given up."""
    if await pool.fetchval("SELECT to_regclass('notifying.dead') IS NULL"):
        return []
    rows = await pool.fetch(
        "SELECT c.notifier, c.number, (SELECT count(*) FROM notifying.outbox o WHERE o.notifier = c.notifier) AS waiting, "
        "(SELECT min(since) FROM notifying.outbox o WHERE o.notifier = c.notifier) AS since, "
        "(SELECT fault FROM notifying.outbox o WHERE o.notifier = c.notifier ORDER BY number LIMIT 1) AS fault, "
        "(SELECT count(*) FROM notifying.dead d WHERE d.notifier = c.notifier) AS dead FROM notifying.cursors c ORDER BY 1"
    )
    return [
        {**dict(row), "since": None if row["since"] is None else utc(row["since"]), "fault": row["fault"] or ""}
        for row in rows
    ]


async def dead(pool: Any, limit: int) -> list[dict[str, Any]]:
    """Dead letters, the oldest first."""
    if await pool.fetchval("SELECT to_regclass('notifying.dead') IS NULL"):
        return []
    rows = await pool.fetch(
        "SELECT number, notifier, id, message, since, attempts, fault, at FROM notifying.dead ORDER BY at, number LIMIT $1",
        limit,
    )
    return [item(row, ("message",)) for row in rows]


async def again(pool: Any) -> int:
    """Ask for another try of every dead letter. Returns how many. The notifiers put them after the messages that wait."""
    if await pool.fetchval("SELECT to_regclass('notifying.dead') IS NULL"):
        return 0
    try:
        return len(await pool.fetch("UPDATE notifying.dead SET again = true RETURNING number"))
    except UndefinedColumnError:  # a table of an earlier version, which the notifier has not replaced yet
        return 0


def now() -> datetime:
    return datetime.now(UTC)
