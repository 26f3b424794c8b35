"""The schema `alerting` in memory: its rows, and what Postgres promises about them, for the statements that alert workers send.

The workers' own code asks, seals and proves every row. What stands here in the place of Postgres: a transaction is seen as a whole or
not at all, a row that one has locked keeps the others waiting, and when a process dies its transactions never were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from services.adapters.snapshots import SealedSnapshot
from services.alert_worker.marks import Marked
from services.alert_worker.schema import ROWS

PATIENCE = 5.0
COMMAND_TIMEOUT = 60.0
POSITIONS, ORIGIN, MADE = "positions", "origin", "made"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    POSITIONS: ("topic", "partition", "next", "digest", "skew", "total", "mac"),
    ORIGIN: ("log", "era", "mac"),
    **{table: (*columns, "mac") for table, columns in ROWS.items()},
}
RowName = tuple[str, tuple[Any, ...]]
"""A table, and the values of its primary key."""


class TableRow(tuple[Any, ...]):
    """As asyncpg has a record: its values in order, and each by its name."""

    columns: Sequence[str]

    @classmethod
    def of(cls, columns: Sequence[str], values: Sequence[Any]) -> TableRow:
        new = cls(values)
        new.columns = columns
        return new

    def __getitem__(self, place: Any) -> Any:
        return super().__getitem__(self.columns.index(place) if isinstance(place, str) else place)


@dataclass(slots=True)
class AlertTables:
    """What is committed, and who has which row. `away`: the database does not answer. `unanswered`: the chance that a commit is done
    and its answer lost."""

    chance: Random
    snapshots: list[SealedSnapshot]
    rows: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = field(
        default_factory=lambda: {table: {} for table in (*COLUMNS, MADE)}
    )
    away: bool = False
    unanswered: float = 0.0
    held: dict[RowName, Transaction] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    marked: Marked | None = None

    async def way(self) -> None:
        await asyncio.sleep(self.chance.uniform(0.0003, 0.002))
        if self.away:
            await asyncio.sleep(self.chance.choice([0.0, PATIENCE]))
            raise ConnectionResetError("the database does not answer")

    def answer(self) -> None:
        if self.chance.random() < self.unanswered:
            raise ConnectionResetError("the answer was lost")


class Transaction:
    """`as_of`: all rows as they were when it began, if it sees them so (REPEATABLE READ)."""

    def __init__(self, tables: AlertTables, *, repeatable: bool = False) -> None:
        self.tables = tables
        self.as_of = {table: dict(rows) for table, rows in tables.rows.items()} if repeatable else None
        self._written: dict[RowName, tuple[Any, ...] | None] = {}
        self._held: set[RowName] = set()

    def get(self, table: str, name: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if (table, name) in self._written:
            return self._written[table, name]
        return (self.as_of or self.tables.rows)[table].get(name)

    def all(self, table: str) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """(primary key, row) of each row, in the order of the keys."""
        found: dict[tuple[Any, ...], tuple[Any, ...] | None] = dict((self.as_of or self.tables.rows)[table])
        found |= {name: row for (of, name), row in self._written.items() if of == table}
        return sorted((name, row) for name, row in found.items() if row is not None)

    def put(self, table: str, name: tuple[Any, ...], row: tuple[Any, ...] | None) -> None:
        self._written[table, name] = row

    def is_free(self, table: str, name: tuple[Any, ...]) -> bool:
        return self.tables.held.get((table, name), self) is self

    async def lock(self, table: str, name: tuple[Any, ...]) -> None:
        """Raises TimeoutError."""
        tables = self.tables
        if not self.is_free(table, name):
            async with asyncio.timeout(COMMAND_TIMEOUT):
                while not self.is_free(table, name):
                    await tables.released.wait()
        tables.held[table, name] = self
        self._held.add((table, name))

    async def commit(self) -> None:
        """Raises ConnectionResetError: then it may be done or not."""
        if self._written:
            await self.tables.way()
            for (table, name), row in self._written.items():
                if row is None:
                    self.tables.rows[table].pop(name, None)
                else:
                    self.tables.rows[table][name] = row
            self.end()
            await asyncio.sleep(self.tables.chance.uniform(0.0003, 0.002))
            self.tables.answer()
        self.end()

    def end(self) -> None:
        self._written = {}
        for each in self._held:
            self.tables.held.pop(each, None)
        if self._held:
            self._held = set()
            self.tables.released.set()
            self.tables.released = asyncio.Event()
