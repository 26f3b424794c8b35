"""Checks that Keytrail wrote every row of the schema `alerting`, and that no row is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from domain.log.row_sets import added
from services.adapters.postgres import Connection
from services.alert_worker.books import Books, RowsChanged
from services.alert_worker.positions import POSITIONS, proved
from services.alert_worker.schema import KEY_COLUMNS, ROWS, require_unaltered

_CHECKED_AT_ONCE = 1_000


async def check(connection: Connection, books: Books) -> None:
    """Check that Keytrail wrote every row, and that their sum is the sum that the partitions keep. Raises RowsChanged,
    JudgedElsewhere."""
    before, era = dict(books.furthest), books.era
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        positions = await connection.fetch(POSITIONS)  # first, in the same order as the judging
        await books.read(connection, era)
        await require_unaltered(connection)
        _, kept = proved(books, positions, before)
        there = 0
        async for table, found in every_row(connection):
            there = added(there, *[books.number(table, row) for row in found])
    require_same(kept, there)


def require_same(kept: int, there: int) -> None:
    """Raises RowsChanged if the sum that the partitions keep is not the sum of the existing rows."""
    if kept != there:
        raise RowsChanged("rows were removed, or older ones put in their place")


async def every_row(connection: Connection) -> AsyncIterator[tuple[str, list[Any]]]:
    """Every row, in batches, each with its MAC as the last field. Raises RowsChanged."""
    for table, columns in ROWS.items():
        named = KEY_COLUMNS[table]
        last: tuple[Any, ...] = ()
        asked, order = ", ".join(columns), ", ".join(columns[:named])  # constants
        rows = await connection.cursor(f"SELECT {asked}, mac FROM alerting.{table} ORDER BY {order}")
        while found := await rows.fetch(_CHECKED_AT_ONCE):
            for row in found:
                name = tuple(row)[:named]
                if name <= last:
                    raise RowsChanged(f"a row of {table} is there twice: {name}")
                last = name
            yield table, found
