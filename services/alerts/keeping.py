"""What judging the stream holds in Postgres: how far each partition is judged, and what the rules that count have counted.

Positions and counts move in one transaction, and the alerts that it raises are on their topic before it is committed: a
process that is killed at any moment leaves counts that are right and alerts that are at worst sent again, under the same
name. Workers on different partitions count in the same rows, so that a window is whole whoever reads which partition.

None of it is believed because it is there. Each row has a MAC, and each partition's row a sum of what its records have put
into the other tables and taken out of them (domain/trail/row_sets). A row that somebody changed, added, removed or put back
shows when it is read, at a start or once a minute; then everything is judged anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from domain.trail.authenticity import COUNT, POSITION, KeyMissing
from domain.trail.row_sets import Field, RowSet, added
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection, Pool

log = structlog.get_logger("alerts")

_TABLES = """
CREATE SCHEMA IF NOT EXISTS alerting;
CREATE TABLE IF NOT EXISTS alerting.origin (log text PRIMARY KEY);
-- How far is each partition judged? `digest` and `skew` (broker's clock less the record's time, in microseconds, of the
-- last record that was not held to the time of the one before) are of events. `total` is the hidden sum of the rows below
-- that the partition's records brought, less those that went.
CREATE TABLE IF NOT EXISTS alerting.positions (
    topic text, partition int, next bigint NOT NULL, digest text NOT NULL, skew bigint, total text NOT NULL,
    mac text NOT NULL, PRIMARY KEY (topic, partition)
);
-- How much has come of a subject in a window (its begin in seconds since the epoch)?
CREATE TABLE IF NOT EXISTS alerting.windows (
    rule text, subject text, start bigint, count bigint NOT NULL, mac text NOT NULL, PRIMARY KEY (rule, subject, start)
);
CREATE INDEX IF NOT EXISTS windows_start ON alerting.windows (start);
-- Which different things have come of a subject in a window?
CREATE TABLE IF NOT EXISTS alerting.items (
    rule text, subject text, start bigint, item text, mac text NOT NULL, PRIMARY KEY (rule, subject, start, item)
);
CREATE INDEX IF NOT EXISTS items_start ON alerting.items (start);
-- Which principal has used which key?
CREATE TABLE IF NOT EXISTS alerting.pairs (principal text, key text, mac text NOT NULL, PRIMARY KEY (principal, key));
-- Which changes of key policies are not judged to the end? `document` is what the rules read of each (domain/alerts/unjudged).
CREATE TABLE IF NOT EXISTS alerting.unjudged (
    position bigint PRIMARY KEY, account text NOT NULL, document text NOT NULL, mac text NOT NULL
);
"""
_EARLIER = """
SELECT EXISTS (SELECT FROM information_schema.tables WHERE table_schema = 'alerting' AND table_name = 'positions')
AND NOT EXISTS (SELECT FROM information_schema.columns WHERE table_schema = 'alerting' AND column_name = 'total')
"""
PREPARING = 1802661490
"""The number of the advisory lock."""
WINDOWS, ITEMS, PAIRS, UNJUDGED = "windows", "items", "pairs", "unjudged"
_ROWS = {
    WINDOWS: ("rule", "subject", "start", "count"),
    ITEMS: ("rule", "subject", "start", "item"),
    PAIRS: ("principal", "key"),
    UNJUDGED: ("position", "account", "document"),
}
"""The tables whose rows the sums are of, and what their MACs are of."""
_CHECKED_AT_ONCE = 1_000

Part = tuple[str, int]
"""(topic, partition): `events` or `decisions`, as the projections name them."""
JUDGED_LATER, FORGOTTEN = ("judged-later", 0), ("forgotten", 0)
"""No partitions: the rows of those who take rows away beside the stream, for their sums."""


class Elsewhere(Exception):
    """Another worker has judged these records meanwhile."""


class Changed(Exception):
    """Somebody else wrote here: everything has to be judged anew (`begin_anew`)."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a partition is judged."""

    next: int = 0
    digest: str = ""
    skew: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A partition's row as this process wrote it."""

    reached: Reached
    total: str
    mac: str


@dataclass(slots=True)
class Locked:
    """A partition's row: nobody else moves it until the transaction ends."""

    connection: Connection
    keys: VaultKeyring
    part: Part
    reached: Reached
    total: int
    """The sum of what its records brought. Whoever writes a row adds the row's number, and `move` keeps it."""
    written: Written | None = None

    async def number(self, table: str, row: Iterable[Any]) -> int:
        """Of a row with its MAC as the last field. Raises Changed."""
        return await _number(self.keys, table, row)

    def sealed(self, table: str, fields: Sequence[Field]) -> tuple[str, int]:
        """The MAC and the number of a row to write."""
        return RowSet(self.keys, COUNT).sealed(table, *fields)

    def add(self, *numbers: int) -> None:
        self.total = added(self.total, *numbers)

    async def move(self, to: Reached) -> None:
        total = RowSet(self.keys, COUNT).hidden(self.total)
        row, self.written = _row(self.keys, self.part, to, total)
        await self.connection.execute(_MOVE, *row)


_MOVE = """
UPDATE alerting.positions SET next = $3, digest = $4, skew = $5, total = $6, mac = $7 WHERE topic = $1 AND partition = $2
"""


def _row(keys: VaultKeyring, part: Part, to: Reached, total: str) -> tuple[tuple[Any, ...], Written]:
    fields = (*part, to.next, to.digest, to.skew, total)
    mac = _mac(keys, fields)
    return (*fields, mac), Written(to, total, mac)


async def passed(pool: Pool, keys: VaultKeyring, part: Part, was: Written, to: Reached) -> Written | None:
    """Move a partition past records that brought no rows: one statement, where `locked` and `move` take a transaction of
    four. None, and nothing done, where its row is not as this process wrote it."""
    row, written = _row(keys, part, to, was.total)
    done = await pool.execute(_PASS, *row, was.reached.next, was.reached.digest, was.total, was.mac)
    return written if done == "UPDATE 1" else None


_PASS = f"{_MOVE} AND (next, digest, total, mac) = ($8, $9, $10, $11)"  # constants


async def prepare(pool: Pool, keys: VaultKeyring, name: str) -> None:
    """Make the tables. They are emptied where they are of another log (`name` is the log's id) or of an earlier version, or
    where a position is not as Keytrail wrote it. `check` looks at the rest, which may take a while, beside the judging."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", PREPARING)
        if await connection.fetchval(_EARLIER):
            log.info("an earlier version kept no sums of what it counted; everything is judged anew")
            await connection.execute("DROP SCHEMA alerting CASCADE")
        await connection.execute(_TABLES)
        kept: str | None = await connection.fetchval("SELECT log FROM alerting.origin")
        try:
            await _totals(connection, keys)
        except Changed as fault:
            log.error("somebody else wrote where alerts are counted; everything is judged anew", what=str(fault))
            kept = None
        if kept != name:
            await _empty(connection)
            await connection.execute("INSERT INTO alerting.origin VALUES ($1)", name)


async def begin_anew(pool: Pool) -> None:
    """Have everything judged anew from the next start on (`prepare`). An alert that was raised before is raised again under
    its name. Nothing is emptied here: that waits for whoever judges a policy to the end, and the caller may be who does."""
    await pool.execute("DELETE FROM alerting.origin")


async def _empty(connection: Connection) -> None:
    tables = ", ".join(f"alerting.{table}" for table in ("origin", "positions", *_ROWS))
    await connection.execute(f"TRUNCATE {tables}")


async def _totals(connection: Connection, keys: VaultKeyring) -> int:
    """The sum of the sums that the partitions keep. Raises Changed."""
    rows = await connection.fetch(f"SELECT {_POSITION} FROM alerting.positions")  # a constant
    return added(0, *[await _total(keys, row) for row in rows])


async def check(connection: Connection, keys: VaultKeyring) -> None:
    """Every row is Keytrail's own, and the sum of them is the sum that the partitions keep. Raises Changed."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        kept = there = 0
        for row in await connection.fetch(f"SELECT {_POSITION} FROM alerting.positions"):  # a constant
            kept = added(kept, await _total(keys, row))
        for table, columns in _ROWS.items():
            rows = await connection.cursor(f"SELECT {', '.join(columns)}, mac FROM alerting.{table}")  # constants
            while found := await rows.fetch(_CHECKED_AT_ONCE):
                there = added(there, *[await _number(keys, table, row) for row in found])
    if kept != there:
        raise Changed("rows were removed, or older ones put in their place")


_POSITION = "topic, partition, next, digest, skew, total, mac"


async def _total(keys: VaultKeyring, row: Any) -> int:
    """The sum that a row of `positions` keeps. Raises Changed."""
    await keys.know_that_of(row["mac"])  # another process may have rotated them
    if not keys.holds(row["mac"], POSITION, *_fields(tuple(row)[:-1])):
        raise Changed(f"the position of {row['topic']}/{row['partition']} is not what Keytrail wrote")
    return RowSet(keys, COUNT).total(row["total"])


def _mac(keys: VaultKeyring, row: Sequence[Any]) -> str:
    return keys.mac(POSITION, *_fields(row))


def _fields(row: Sequence[Any]) -> tuple[str, ...]:
    return ("alerting", *map(str, row))


async def _number(keys: VaultKeyring, table: str, row: Iterable[Any]) -> int:
    *fields, mac = row
    await keys.know_that_of(mac)
    try:
        found = RowSet(keys, COUNT).number(mac, table, *fields)
    except KeyMissing:
        found = None
    if found is None:
        raise Changed(f"a row of {table} is not what Keytrail wrote: {fields[:3]}")
    return found


async def reached(pool: Pool) -> dict[Part, Reached]:
    """Every partition that was judged of, as it is written; `locked` believes it."""
    rows = await pool.fetch(
        "SELECT topic, partition, next, digest, skew FROM alerting.positions WHERE topic NOT IN ($1, $2)",
        JUDGED_LATER[0],
        FORGOTTEN[0],
    )
    return {(row["topic"], row["partition"]): Reached(row["next"], row["digest"], row["skew"]) for row in rows}


async def believed(pool: Pool, keys: VaultKeyring, part: Part) -> Reached:
    """How far a partition is judged. Raises Changed."""
    row = await pool.fetchrow(
        f"SELECT {_POSITION} FROM alerting.positions WHERE topic = $1 AND partition = $2",  # a constant
        *part,
    )
    if row is None:
        return Reached()
    await _total(keys, row)
    return Reached(row["next"], row["digest"], row["skew"])


async def locked(connection: Connection, keys: VaultKeyring, part: Part) -> Locked:
    """A partition's row, made where there was none. Raises Changed."""
    row = await connection.fetchrow(_LOCKED, *part)
    if row is None:
        new = (*part, 0, "", None, RowSet(keys, COUNT).hidden(0))
        await connection.execute(
            "INSERT INTO alerting.positions VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            *new,
            _mac(keys, new),
        )
        row = await connection.fetchrow(_LOCKED, *part)
        assert row is not None, "the row was made"
    total = await _total(keys, row)
    return Locked(connection, keys, part, Reached(row["next"], row["digest"], row["skew"]), total)


_LOCKED = f"SELECT {_POSITION} FROM alerting.positions WHERE topic = $1 AND partition = $2 FOR UPDATE"  # a constant


async def put_off(held: Locked, account: str, document: dict[str, Any]) -> None:
    """Have a change judged to the end later; it is kept with the position that passes it. Raises Changed."""
    fields = (document["position"], account, orjson.dumps(document).decode())
    mac, number = held.sealed(UNJUDGED, fields)
    done = await held.connection.execute(
        "INSERT INTO alerting.unjudged VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", *fields, mac
    )
    if done != "INSERT 0 1":
        raise Changed(f"@{document['position']} was put off before it was judged")
    held.add(number)


async def oldest_unjudged(
    connection: Connection, keys: VaultKeyring, without: Sequence[str]
) -> tuple[str, int, dict[str, Any]] | None:
    """(account, position, document) of the oldest that nobody judges now, of other accounts than these; it is ours until
    the transaction ends. Raises Changed."""
    row = await connection.fetchrow(
        "SELECT position, account, document, mac FROM alerting.unjudged WHERE account <> ALL($1::text[]) "
        "ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED",
        list(without),
    )
    if row is None:
        return None
    await _number(keys, UNJUDGED, row)
    return row["account"], row["position"], orjson.loads(row["document"])


async def oldest_position(pool: Pool) -> int | None:
    """Of the changes that wait for being judged to the end, locked or not."""
    found: int | None = await pool.fetchval("SELECT min(position) FROM alerting.unjudged")
    return found


async def judged(connection: Connection, keys: VaultKeyring, position: int) -> None:
    """It was judged to the end. Raises Changed."""
    held = await locked(connection, keys, JUDGED_LATER)
    row = await connection.fetchrow(
        "DELETE FROM alerting.unjudged WHERE position = $1 RETURNING position, account, document, mac", position
    )
    assert row is not None, "the row is locked"
    held.add(-await held.number(UNJUDGED, row))
    await held.move(held.reached)
