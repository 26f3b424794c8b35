"""Seals the counts of alerts again after a rotation of the key of records. Nothing is judged again, and no row under the former
key is believed from then on (books.py).

This is one transaction. Every row is proved under the former key, and gets a MAC under the newest key; the origin's row then
names the new era. If the process is killed meanwhile, everything stays as it was. Of two workers, the second finds it done. A
worker that still uses the older key can write nothing more: it finds the origin's row changed, and reads the keys again. The
rows are those of thirty days, and the pairs of principals and the keys that they used. Judging waits meanwhile.
"""

from __future__ import annotations

from typing import Any

from domain.log.row_sets import added
from services.adapters.postgres import Connection, Pool
from services.alert_worker.books import Books, LogPartition, RowsChanged
from services.alert_worker.positions import POSITIONS, JudgedUpTo, proved, row_of
from services.alert_worker.proof import every_row, require_same
from services.alert_worker.schema import KEY_COLUMNS, ROWS, require_unaltered
from services.logs import logger_of

log = logger_of("alerts")

# A worker that judges a policy to the end locks its row, and then a partition's row. A worker that puts a policy off
# does it the other way round. So the second lock is given up before Postgres looks for a deadlock (after a second) and
# ends somebody else's transaction.
_LOCKS = (
    "SET LOCAL lock_timeout = '30s'",
    "LOCK TABLE alerting.unjudged IN EXCLUSIVE MODE",
    "SET LOCAL lock_timeout = '500ms'",
    "LOCK TABLE alerting.positions IN EXCLUSIVE MODE",
)
_TYPES = {"start": "bigint", "position": "bigint"}


def _statement(table: str) -> str:
    """The statement that gives rows their MACs, by the columns that name a row."""
    names = ROWS[table][: KEY_COLUMNS[table]]
    arrays = ", ".join(f"${at}::{_TYPES.get(name, 'text')}[]" for at, name in enumerate(names, 1))
    same = " AND ".join(f"t.{name} = n.{name}" for name in names)
    return (
        f"UPDATE alerting.{table} AS t SET mac = n.mac "
        f"FROM unnest({arrays}, ${len(names) + 1}::text[]) AS n ({', '.join(names)}, mac) WHERE {same}"
    )


_STATEMENTS = {table: _statement(table) for table in ROWS}
_POSITION = (
    "UPDATE alerting.positions SET total = $6, mac = $7 WHERE (topic, partition, next, digest) = ($1, $2, $3, $4)"
)
_POSITION += " AND skew IS NOT DISTINCT FROM $5"


def is_due(books: Books) -> bool:
    return books.key != books.keys.newest


async def seal_anew(pool: Pool, books: Books) -> None:
    """Seal everything under the newest key, if it is under an older one. Raises RowsChanged if everything has to be judged
    again; JudgedElsewhere, INTERRUPTED."""
    if not is_due(books):
        return
    async with pool.acquire() as connection, connection.transaction():
        for lock in _LOCKS:
            await connection.execute(lock)
        before = dict(books.furthest)
        positions = await connection.fetch(POSITIONS)
        await books.read(connection)
        await require_unaltered(connection)
        if not is_due(books):
            return
        found, kept = proved(books, positions, before)
        anew = books.under_newest()
        there, total = await _rows(connection, books, anew)
        require_same(kept, there)
        await _positions(connection, anew, found, total)
        await connection.execute("UPDATE alerting.origin SET era = $1, mac = $2", anew.era, anew.origin())
    books.turn_to(anew)
    log.info("what alerts have counted was sealed anew", key=anew.key)


async def _rows(connection: Connection, books: Books, anew: Books) -> tuple[int, int]:
    """The sums of the rows, before and after. Raises RowsChanged."""
    before = after = 0
    async for table, rows in every_row(connection):
        before = added(before, *[books.number(table, row) for row in rows])
        sealed = [anew.sealed(table, tuple(row)[:-1]) for row in rows]
        after = added(after, *[number for _, number in sealed])
        columns: list[list[Any]] = [[row[at] for row in rows] for at in range(KEY_COLUMNS[table])]
        done = await connection.execute(_STATEMENTS[table], *columns, [mac for mac, _ in sealed])
        if done != f"UPDATE {len(rows)}":
            raise RowsChanged(f"rows of {table} were removed meanwhile")
    return before, after


async def _positions(connection: Connection, anew: Books, found: dict[LogPartition, JudgedUpTo], total: int) -> None:
    """Write the partitions' rows. Only the total of their sums counts, so the first row keeps all of it. Raises RowsChanged."""
    for part, reached in found.items():
        fields, _ = row_of(anew, part, reached, anew.hidden(total))
        if await connection.execute(_POSITION, *fields) != "UPDATE 1":
            raise RowsChanged(f"the position of {part[0]}/{part[1]} was changed meanwhile")
        total = 0
