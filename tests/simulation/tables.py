"""Tables in memory: their rows, and what Postgres promises about them, for the statements that processes send.

The processes' own code asks, seals and proves every row. What stands here in the place of Postgres: a transaction is seen as a whole
or not at all, a row that one has locked keeps the others waiting, and when a process dies its transactions never were.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from services.adapters.snapshots import SealedSnapshot
from services.alert_worker.marks import Marked

PATIENCE = 5.0
COMMAND_TIMEOUT = 60.0
RowName = tuple[str, tuple[Any, ...]]
"""A table, and the values of its primary key."""
WrittenRows = Mapping[RowName, tuple[Any, ...] | None]
"""None: the row is deleted."""


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


Done = tuple[str, list[TableRow]]
"""The status, and the rows."""
Statement = Callable[..., Awaitable[Done]]


@dataclass(slots=True)
class SimulatedTables:
    """What is committed, and who has which row. `statement_of`: what stands for a statement. `away`: the database does not answer.
    `unanswered`: the chance that a commit is done and its answer lost. `hangs`: the next statement, or the next commit, has no
    answer. `watch` is told of each commit before it is done."""

    chance: Random
    snapshots: list[SealedSnapshot]
    statement_of: Callable[[str], Statement]
    rows: defaultdict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(dict))
    away: bool = False
    unanswered: float = 0.0
    hangs: bool = False
    held: dict[RowName, Transaction] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    open: dict[Transaction, None] = field(default_factory=dict)
    marked: Marked | None = None
    watch: Callable[[WrittenRows], None] | None = None
    numbered: int = 0
    """How many rows have no primary key."""

    async def way(self) -> None:
        """Raises ConnectionResetError, TimeoutError."""
        await asyncio.sleep(self.chance.uniform(0.0003, 0.002))
        if self.away:
            await asyncio.sleep(self.chance.choice([0.0, PATIENCE]))
            raise ConnectionResetError("the database does not answer")
        if self.hangs:
            await self._hang()

    async def answer(self) -> None:
        await asyncio.sleep(self.chance.uniform(0.0003, 0.002))
        if self.hangs:
            await self._hang()
        if self.chance.random() < self.unanswered:
            raise ConnectionResetError("the answer was lost")

    async def _hang(self) -> None:
        self.hangs = False
        await asyncio.sleep(COMMAND_TIMEOUT)
        raise TimeoutError

    def end_sessions(self) -> None:
        """The server is lost with every session. What was not committed never was."""
        for each in list(self.open):
            each.lose()


class Transaction:
    """`as_of`: all rows as they were when it began, if it sees them so (REPEATABLE READ)."""

    def __init__(self, tables: SimulatedTables, *, repeatable: bool = False) -> None:
        self.tables = tables
        self.as_of = {table: dict(rows) for table, rows in tables.rows.items()} if repeatable else None
        self.schema = ""
        """Where names without a schema are looked for."""
        self.beside: dict[str, Sequence[Sequence[Any]]] = {}
        """The rows of temporary tables."""
        self._written: dict[RowName, tuple[Any, ...] | None] = {}
        self._held: set[RowName] = set()
        self._lost = False
        tables.open[self] = None

    def get(self, table: str, name: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if (table, name) in self._written:
            return self._written[table, name]
        return self._committed(table).get(name)

    def _committed(self, table: str) -> Mapping[tuple[Any, ...], tuple[Any, ...]]:
        return self.tables.rows[table] if self.as_of is None else self.as_of.get(table, {})

    def all(self, table: str) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """(primary key, row) of each row, in the order of the keys."""
        found: dict[tuple[Any, ...], tuple[Any, ...] | None] = dict(self._committed(table))
        found |= {name: row for (of, name), row in self._written.items() if of == table}
        return sorted((name, row) for name, row in found.items() if row is not None)

    def all_of(self, table: str, begin: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """The same of the rows whose primary key begins so, in no order."""
        count = len(begin)
        found = {name: row for name, row in self._committed(table).items() if name[:count] == begin}
        for (of, name), row in self._written.items():
            if of == table and name[:count] == begin:
                if row is None:
                    found.pop(name, None)
                else:
                    found[name] = row
        return list(found.items())

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
            self._require_session()
        tables.held[table, name] = self
        self._held.add((table, name))

    async def reach(self) -> None:
        """The way of a statement. Raises ConnectionResetError, TimeoutError."""
        self._require_session()
        await self.tables.way()
        self._require_session()

    def _require_session(self) -> None:
        if self._lost:
            raise ConnectionResetError("the session was lost")

    def lose(self) -> None:
        self._lost = True
        self.end()

    async def commit(self) -> None:
        """Raises ConnectionResetError, TimeoutError: then it may be done or not."""
        if self._written:
            await self.reach()
            if self.tables.watch is not None:
                self.tables.watch(self._written)
            for (table, name), row in self._written.items():
                if row is None:
                    self.tables.rows[table].pop(name, None)
                else:
                    self.tables.rows[table][name] = row
            self._release()
            await self.tables.answer()
            self._require_session()
        self.end()

    def end(self) -> None:
        self.tables.open.pop(self, None)
        self._release()

    def _release(self) -> None:
        self._written = {}
        for each in self._held:
            self.tables.held.pop(each, None)
        if self._held:
            self._held = set()
            self.tables.released.set()
            self.tables.released = asyncio.Event()
