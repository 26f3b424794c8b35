"""What judging the stream holds in Postgres: how far each partition is judged, and what the rules that count have counted.

Positions and counts move in one transaction, and the alerts that it raises are on their topic before it is committed: a
process that is killed at any moment leaves counts that are right and alerts that are at worst sent again, under the same
name. Workers on different partitions count in the same rows, so that a window is whole whoever reads which partition.

None of it is believed because it is there. Each row has a MAC, and each partition's row a sum of what its records have put
into the other tables and taken out of them (domain/log/row_sets). A row that somebody changed, added, removed or put back
shows when it is read, at a start or once a minute. All rows put back together show by what a process remembers (books.py) and
by what Kafka has (marks.py). Then everything is judged anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from domain.log.row_sets import Field, added
from domain.ports import Unavailable
from services.adapters.postgres import Connection, Pool
from services.alert_worker.books import Books, Changed, Part, goes_on
from services.alert_worker.marks import Marked, Marks
from services.logs import logger_of

log = logger_of("alerts")

_TABLES = """
CREATE SCHEMA alerting;
-- Of which log is everything here, and of which era (books.py)? One row.
CREATE TABLE alerting.origin (log text NOT NULL, era text NOT NULL, mac text NOT NULL);
-- How far is each partition judged? `digest` is of the last record that was judged; `skew` (broker's clock less the record's
-- time, in microseconds, of the last record that was not held to the time of the one before) is of events. `total` is the
-- hidden sum of the rows below that the partition's records brought, less those that went.
CREATE TABLE alerting.positions (
    topic text COLLATE "C", partition int, next bigint NOT NULL, digest text NOT NULL, skew bigint, total text NOT NULL,
    mac text NOT NULL, PRIMARY KEY (topic, partition)
);
-- How much has come of a subject in a window (its begin in seconds since the epoch)?
CREATE TABLE alerting.windows (
    rule text COLLATE "C", subject text COLLATE "C", start bigint, count bigint NOT NULL, mac text NOT NULL,
    PRIMARY KEY (rule, subject, start)
);
CREATE INDEX windows_start ON alerting.windows (start);
-- Which different things have come of a subject in a window?
CREATE TABLE alerting.items (
    rule text COLLATE "C", subject text COLLATE "C", start bigint, item text COLLATE "C", mac text NOT NULL,
    PRIMARY KEY (rule, subject, start, item)
);
CREATE INDEX items_start ON alerting.items (start);
-- Which principal has used which key?
CREATE TABLE alerting.pairs (
    principal text COLLATE "C", key text COLLATE "C", mac text NOT NULL, PRIMARY KEY (principal, key)
);
-- Which changes of key policies are not judged to the end? `document` is what the rules read of each (domain/alerts/unjudged).
CREATE TABLE alerting.unjudged (
    position bigint PRIMARY KEY, account text NOT NULL, document text NOT NULL, mac text NOT NULL
);
"""
_STANDS = """
SELECT count(*) FROM information_schema.columns WHERE (table_schema, table_name, column_name) IN
(('alerting', 'origin', 'era'), ('alerting', 'positions', 'total'))
"""
_IS_THERE = "SELECT to_regclass('alerting.positions') IS NOT NULL"
_STRANGE = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('alerting') AND relkind <> 'i' AND (
    relkind <> 'r' OR relhasrules OR relhastriggers OR relhassubclass OR relispartition OR relrowsecurity
    OR relname <> ALL($1::text[])
) LIMIT 1
"""
PREPARING = 1802661490
"""The number of the advisory lock."""
WINDOWS, ITEMS, PAIRS, UNJUDGED = "windows", "items", "pairs", "unjudged"
ROWS = {
    WINDOWS: ("rule", "subject", "start", "count"),
    ITEMS: ("rule", "subject", "start", "item"),
    PAIRS: ("principal", "key"),
    UNJUDGED: ("position", "account", "document"),
}
"""The tables whose rows the sums are of, and what their MACs are of."""
NAMED = {WINDOWS: 3, ITEMS: 4, PAIRS: 2, UNJUDGED: 1}
"""How many of these columns name a row."""
_CHECKED_AT_ONCE = 1_000

JUDGED_LATER, FORGOTTEN = ("judged-later", 0), ("forgotten", 0)
"""No partitions: the rows of those who take rows away beside the stream, for their sums."""


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
    books: Books
    part: Part
    reached: Reached
    total: int
    """The sum of what its records brought. Whoever writes a row adds the row's number, and `move` keeps it."""
    written: Written | None = None

    def number(self, table: str, row: Iterable[Any]) -> int:
        """Of a row with its MAC as the last field. Raises Changed."""
        return self.books.number(table, row)

    def sealed(self, table: str, fields: Sequence[Field]) -> tuple[str, int]:
        """The MAC and the number of a row to write."""
        return self.books.sealed(table, fields)

    def add(self, *numbers: int) -> None:
        self.total = added(self.total, *numbers)

    async def move(self, to: Reached) -> None:
        row, self.written = row_of(self.books, self.part, to, self.books.hidden(self.total))
        await self.connection.execute(_MOVE, *row)


_MOVE = """
UPDATE alerting.positions SET next = $3, digest = $4, skew = $5, total = $6, mac = $7 WHERE topic = $1 AND partition = $2
"""


def row_of(books: Books, part: Part, to: Reached, total: str) -> tuple[tuple[Any, ...], Written]:
    fields = (*part, to.next, to.digest, to.skew, total)
    mac = books.mac(fields)
    return (*fields, mac), Written(to, total, mac)


async def passed(pool: Pool, books: Books, part: Part, was: Written, to: Reached) -> Written | None:
    """Move a partition past records that brought no rows: one statement, where `locked` and `move` take a transaction of
    four. None, and nothing done, where its row is not as this process wrote it."""
    row, written = row_of(books, part, to, was.total)
    done = await pool.execute(_PASS, *row, was.reached.next, was.reached.digest, was.total, was.mac)
    return written if done == "UPDATE 1" else None


_PASS = f"{_MOVE} AND (next, digest, total, mac) = ($8, $9, $10, $11)"  # constants


async def prepare(pool: Pool, books: Books, marks: Marks) -> None:
    """Make the tables, and take over the era that they are of. Everything is emptied, and a new era begins, where they are of
    another log or of an earlier version, or where somebody else wrote what says how far everything is judged. `check` looks at
    the rest, which may take a while, beside the judging. Raises Unavailable."""
    marked = await marks.read()  # before the tables, which may only be further
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", PREPARING)
            if await _is_this_logs(connection, books, marked):
                return
            await connection.execute(_LOCK_FIRST)
            await connection.execute("DROP SCHEMA IF EXISTS alerting CASCADE")
            await connection.execute(_TABLES)
            mac = books.begin(marked.era if marked is not None else "")
            await connection.execute("INSERT INTO alerting.origin VALUES ($1, $2, $3)", books.log, books.era, mac)
    except asyncpg.DeadlockDetectedError as fault:
        raise Unavailable(f"another worker was at the tables where alerts are counted: {fault}") from fault
    await marks.keep(Marked(books.era, key=books.key))


async def _is_this_logs(connection: Connection, books: Books, marked: Marked | None) -> bool:
    """Whether the tables can be taken over. It says why they are not."""
    try:
        why = await _taken_over(connection, books, marked)
    except Changed as fault:
        log.error("somebody else wrote where alerts are counted; everything is judged anew", what=str(fault))
        return False
    if why:
        log.warning("everything is judged anew", why=why)
    return why is None


# As whoever judges does, who holds a partition's row before anything else.
_LOCK_FIRST = """
DO $$ BEGIN IF to_regclass('alerting.positions') IS NOT NULL THEN
LOCK TABLE alerting.positions IN ACCESS EXCLUSIVE MODE; END IF; END $$
"""


async def _taken_over(connection: Connection, books: Books, marked: Marked | None) -> str | None:
    """None where the tables are this log's; else why they are not, empty where there are none. Raises Changed."""
    if not await connection.fetchval(_IS_THERE):
        if marked is not None:
            raise Changed("the tables were removed")
        return ""
    if await connection.fetchval(_STANDS) < 2:
        if marked is not None:
            raise Changed("columns were removed")
        return "an earlier version counted, and kept no eras"
    await look_at_tables(connection)
    log_of: list[str] = [row["log"] for row in await connection.fetch("SELECT log FROM alerting.origin")]
    if not log_of:
        return "a worker found something wrong, or somebody else removed what says which log was counted of"
    if log_of != [books.log]:
        return f"the log {log_of[0]} was counted of, and this is {books.log}"
    rows = await connection.fetch(POSITIONS)
    await books.read(connection)
    found, _ = proved(books, rows, {})
    if marked is not None:
        if books.keys.rank(marked.key) > books.keys.rank(books.key):
            raise Changed("what says which log was counted of is under a key that was replaced")
        if marked.era > books.era:
            raise Changed("rows of a time that is over were put back")
    if marked is not None and goes_on(marked.era, books.era):
        for (topic, partition), least in marked.furthest.items():
            if found.get((topic, partition), Reached()).next < least:
                raise Changed(f"the position of {topic}/{partition} went back to before {least}")
    return None


async def begin_anew(pool: Pool) -> None:
    """Have everything judged anew from the next start on (`prepare`). An alert that was raised before is raised again under
    its name. Nothing is emptied here: that waits for whoever judges a policy to the end, and the caller may be who does."""
    async with pool.acquire() as connection, connection.transaction():
        # Made anew: a rule or a trigger might keep the row.
        await connection.execute("DROP TABLE IF EXISTS alerting.origin CASCADE")
        await connection.execute(_ORIGIN_TABLE)


_ORIGIN_TABLE = "CREATE TABLE alerting.origin (log text NOT NULL, era text NOT NULL, mac text NOT NULL)"


async def look_at_tables(connection: Connection) -> None:
    """Nobody has given the tables rules, triggers, children or policies, by which they answer otherwise than they were
    written. Raises Changed."""
    name = await connection.fetchval(_STRANGE, ["origin", "positions", *ROWS])
    if name is not None:
        raise Changed(f"alerting.{name} is not as Keytrail made it")


def proved(books: Books, rows: Iterable[Any], before: Mapping[Part, int]) -> tuple[dict[Part, Reached], int]:
    """How far everything is judged, and the sum of the sums that the partitions keep. `before`: what was known when Postgres
    was asked. Raises Changed."""
    found: dict[Part, Reached] = {}
    kept = 0
    for row in rows:
        part = (row["topic"], row["partition"])
        if part in found:
            raise Changed(f"there are two positions of {part[0]}/{part[1]}")
        kept = added(kept, books.total(row))
        books.saw(part, row["next"], before)
        found[part] = Reached(row["next"], row["digest"], row["skew"])
    for part, least in before.items():
        if part not in found:
            books.saw(part, 0, {part: least})
    return found, kept


async def check(connection: Connection, books: Books) -> None:
    """Every row is Keytrail's own, and the sum of them is the sum that the partitions keep. Raises Changed, Elsewhere."""
    before, era = dict(books.furthest), books.era
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        positions = await connection.fetch(POSITIONS)  # first, as whoever judges
        await books.read(connection, era)
        await look_at_tables(connection)
        _, kept = proved(books, positions, before)
        there = 0
        async for table, found in every_row(connection):
            there = added(there, *[books.number(table, row) for row in found])
    require_same(kept, there)


def require_same(kept: int, there: int) -> None:
    """Raises Changed where the sum that the partitions keep is not that of the rows that are there."""
    if kept != there:
        raise Changed("rows were removed, or older ones put in their place")


async def every_row(connection: Connection) -> AsyncIterator[tuple[str, list[Any]]]:
    """Some at once, each with its MAC as the last field. Raises Changed."""
    for table, columns in ROWS.items():
        named = NAMED[table]
        last: tuple[Any, ...] = ()
        asked, order = ", ".join(columns), ", ".join(columns[:named])  # constants
        rows = await connection.cursor(f"SELECT {asked}, mac FROM alerting.{table} ORDER BY {order}")
        while found := await rows.fetch(_CHECKED_AT_ONCE):
            for row in found:
                name = tuple(row)[:named]
                if name <= last:
                    raise Changed(f"a row of {table} is there twice: {name}")
                last = name
            yield table, found


_POSITION = "topic, partition, next, digest, skew, total, mac"
POSITIONS = f"SELECT {_POSITION} FROM alerting.positions"  # a constant


async def reached(pool: Pool) -> dict[Part, Reached]:
    """Every partition that was judged of, as it is written, for whoever only shows it."""
    rows = await pool.fetch("SELECT topic, partition, next, digest, skew FROM alerting.positions")
    return _of_log({(row["topic"], row["partition"]): Reached(row["next"], row["digest"], row["skew"]) for row in rows})


async def standing(pool: Pool, books: Books) -> dict[Part, Reached]:
    """Every partition that was judged of. Raises Changed, Elsewhere."""
    before, era = dict(books.furthest), books.era
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(POSITIONS)
        await books.read(connection, era)
        return _of_log(proved(books, rows, before)[0])


def _of_log(found: dict[Part, Reached]) -> dict[Part, Reached]:
    return {part: each for part, each in found.items() if part not in (JUDGED_LATER, FORGOTTEN)}


async def believed(pool: Pool, books: Books, part: Part) -> Reached:
    """How far a partition is judged. Raises Changed, Elsewhere."""
    return (await standing(pool, books)).get(part, Reached())


async def locked(connection: Connection, books: Books, part: Part) -> Locked:
    """A partition's row, made where there was none. Raises Changed; Elsewhere where another worker has begun anew."""
    before = {part: books.furthest.get(part, 0)}
    row = await connection.fetchrow(_LOCKED, *part)
    total = None if row is None else await _of_era(connection, books, books.total, row)
    if row is None or total is None:
        await books.read(connection)
        new = (*part, 0, "", None, books.hidden(0))
        await connection.execute(
            "INSERT INTO alerting.positions VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            *new,
            books.mac(new),
        )
        row = await connection.fetchrow(_LOCKED, *part)
        assert row is not None, "the row was made"
        total = books.total(row)
    books.saw(part, row["next"], before)
    return Locked(connection, books, part, Reached(row["next"], row["digest"], row["skew"]), total)


async def _of_era(connection: Connection, books: Books, number: Callable[[Any], int], row: Any) -> int:
    """The number of a row that is locked. Raises Changed; Elsewhere where another worker has begun anew."""
    era = books.era
    try:
        return number(row)
    except Changed:
        await books.read(connection)
        if books.era == era:
            raise
        return number(row)  # another worker sealed everything anew


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
    connection: Connection, books: Books, without: Sequence[str]
) -> tuple[str, int, dict[str, Any]] | None:
    """(account, position, document) of the oldest that nobody judges now, of other accounts than these; it is ours until
    the transaction ends. Raises Changed, Elsewhere."""
    row = await connection.fetchrow(
        "SELECT position, account, document, mac FROM alerting.unjudged WHERE account <> ALL($1::text[]) "
        "ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED",
        list(without),
    )
    if row is None:
        return None
    await _of_era(connection, books, lambda row: books.number(UNJUDGED, row), row)
    return row["account"], row["position"], orjson.loads(row["document"])


async def oldest_position(pool: Pool) -> int | None:
    """Of the changes that wait for being judged to the end, locked or not."""
    found: int | None = await pool.fetchval("SELECT min(position) FROM alerting.unjudged")
    return found


async def judged(connection: Connection, books: Books, position: int) -> None:
    """It was judged to the end. Raises Changed, Elsewhere."""
    held = await locked(connection, books, JUDGED_LATER)
    row = await connection.fetchrow(
        "DELETE FROM alerting.unjudged WHERE position = $1 RETURNING position, account, document, mac", position
    )
    assert row is not None, "the row is locked"
    held.add(-held.number(UNJUDGED, row))
    await held.move(held.reached)
