"""How far each partition is judged: the rows of `alerting.positions`, read, locked and moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.log.row_sets import Field, added
from services.adapters.postgres import Connection, Pool
from services.alert_worker.books import Books, LogPartition, RowsChanged

JUDGED_LATER, FORGOTTEN = ("judged-later", 0), ("forgotten", 0)
"""Not partitions: two tasks remove rows outside the streams, and keep their sums in these rows."""


@dataclass(frozen=True, slots=True)
class JudgedUpTo:
    """How far a partition is judged."""

    next: int = 0
    digest: str = ""
    skew: int | None = None


@dataclass(frozen=True, slots=True)
class WrittenPosition:
    """A partition's row as this process wrote it."""

    reached: JudgedUpTo
    total: str
    mac: str


@dataclass(slots=True)
class LockedPosition:
    """A partition's row, locked: nobody else moves it until the transaction ends."""

    connection: Connection
    books: Books
    part: LogPartition
    reached: JudgedUpTo
    total: int
    """The sum of the rows that its records brought. Code that writes a row adds the row's number, and `move` keeps the sum."""
    written: WrittenPosition | None = None

    def number(self, table: str, row: Iterable[Any]) -> int:
        """The number of a row whose last field is its MAC. Raises RowsChanged."""
        return self.books.number(table, row)

    def sealed(self, table: str, fields: Sequence[Field]) -> tuple[str, int]:
        """The MAC and the number of a row to write."""
        return self.books.sealed(table, fields)

    def add(self, *numbers: int) -> None:
        self.total = added(self.total, *numbers)

    async def move(self, to: JudgedUpTo) -> None:
        row, self.written = row_of(self.books, self.part, to, self.books.hidden(self.total))
        await self.connection.execute(_MOVE, *row)


_MOVE = """
UPDATE alerting.positions SET next = $3, digest = $4, skew = $5, total = $6, mac = $7 WHERE topic = $1 AND partition = $2
"""


def row_of(books: Books, part: LogPartition, to: JudgedUpTo, total: str) -> tuple[tuple[Any, ...], WrittenPosition]:
    fields = (*part, to.next, to.digest, to.skew, total)
    mac = books.mac(fields)
    return (*fields, mac), WrittenPosition(to, total, mac)


async def passed(
    pool: Pool, books: Books, part: LogPartition, was: WrittenPosition, to: JudgedUpTo
) -> WrittenPosition | None:
    """Move a partition past records that brought no rows. This is one statement; `locked` and `move` take a transaction of
    four. Does nothing, and returns None, if the partition's row is not as this process wrote it."""
    row, written = row_of(books, part, to, was.total)
    done = await pool.execute(_PASS, *row, was.reached.next, was.reached.digest, was.total, was.mac)
    return written if done == "UPDATE 1" else None


_PASS = f"{_MOVE} AND (next, digest, total, mac) = ($8, $9, $10, $11)"  # constants


def proved(
    books: Books, rows: Iterable[Any], before: Mapping[LogPartition, int]
) -> tuple[dict[LogPartition, JudgedUpTo], int]:
    """How far everything is judged, and the total of the sums that the partitions keep. `before`: what was known when
    Postgres was asked. Raises RowsChanged."""
    found: dict[LogPartition, JudgedUpTo] = {}
    kept = 0
    for row in rows:
        part = (row["topic"], row["partition"])
        if part in found:
            raise RowsChanged(f"there are two positions of {part[0]}/{part[1]}")
        kept = added(kept, books.total(row))
        books.saw(part, row["next"], before)
        found[part] = JudgedUpTo(row["next"], row["digest"], row["skew"])
    for part, least in before.items():
        if part not in found:
            books.saw(part, 0, {part: least})
    return found, kept


_POSITION = "topic, partition, next, digest, skew, total, mac"
POSITIONS = f"SELECT {_POSITION} FROM alerting.positions"  # a constant


async def reached(pool: Pool) -> dict[LogPartition, JudgedUpTo]:
    """How far each partition is judged, unchecked: only for showing it."""
    rows = await pool.fetch("SELECT topic, partition, next, digest, skew FROM alerting.positions")
    return _of_log(
        {(row["topic"], row["partition"]): JudgedUpTo(row["next"], row["digest"], row["skew"]) for row in rows}
    )


async def standing(pool: Pool, books: Books) -> dict[LogPartition, JudgedUpTo]:
    """How far each partition is judged. Raises RowsChanged, JudgedElsewhere."""
    before, era = dict(books.furthest), books.era
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(POSITIONS)
        await books.read(connection, era)
        return _of_log(proved(books, rows, before)[0])


def _of_log(found: dict[LogPartition, JudgedUpTo]) -> dict[LogPartition, JudgedUpTo]:
    return {part: each for part, each in found.items() if part not in (JUDGED_LATER, FORGOTTEN)}


async def believed(pool: Pool, books: Books, part: LogPartition) -> JudgedUpTo:
    """How far a partition is judged. Raises RowsChanged, JudgedElsewhere."""
    return (await standing(pool, books)).get(part, JudgedUpTo())


async def locked(connection: Connection, books: Books, part: LogPartition) -> LockedPosition:
    """Lock a partition's row, and make it if it does not exist. Raises RowsChanged; JudgedElsewhere if another worker has
    begun again."""
    before = {part: books.furthest.get(part, 0)}
    row = await connection.fetchrow(_LOCKED, *part)
    total = None if row is None else await of_era(connection, books, books.total, row)
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
    return LockedPosition(connection, books, part, JudgedUpTo(row["next"], row["digest"], row["skew"]), total)


async def of_era(connection: Connection, books: Books, number: Callable[[Any], int], row: Any) -> int:
    """The number of a row that is locked. Raises RowsChanged; JudgedElsewhere if another worker has begun again."""
    era = books.era
    try:
        return number(row)
    except RowsChanged:
        await books.read(connection)
        if books.era == era:
            raise
        return number(row)  # another worker sealed everything again


_LOCKED = f"SELECT {_POSITION} FROM alerting.positions WHERE topic = $1 AND partition = $2 FOR UPDATE"  # a constant
