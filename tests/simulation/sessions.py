"""Connections of processes to simulated tables, in the place of asyncpg's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from services.alert_worker.marks import Marked
from tests.simulation.tables import Done, SimulatedTables, TableRow, Transaction
from tests.simulation.virtual import Process


class Rows:
    """A cursor."""

    def __init__(self, rows: list[TableRow]) -> None:
        self._rows = rows

    async def fetch(self, count: int) -> list[TableRow]:
        found, self._rows = self._rows[:count], self._rows[count:]
        return found


class SimulatedSession:
    """A connection of asyncpg."""

    def __init__(self, tables: SimulatedTables, open: set[Transaction]) -> None:
        self._tables = tables
        self._open = open
        self._now: Transaction | None = None

    @asynccontextmanager
    async def transaction(self, *, isolation: str = "", readonly: bool = False) -> AsyncIterator[None]:
        if self._now is not None:  # a savepoint, which nobody returns to
            yield
            return
        self._now = now = Transaction(self._tables, repeatable=isolation == "repeatable_read")
        self._open.add(now)
        try:
            yield
            await now.commit()
        finally:
            now.end()
            self._open.discard(now)
            self._now = None

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What runs here is no part of the transaction that is open. For a deliberate break."""
        now, self._now = self._now, None
        try:
            yield
        finally:
            self._now = now

    async def _run(self, sql: str, *given: Any) -> Done:
        if self._now is None:
            async with self.transaction():
                return await self._run(sql, *given)
        await self._now.reach()
        return await self._tables.statement_of(sql)(self._now, *given)

    async def execute(self, sql: str, *given: Any) -> str:
        return (await self._run(sql, *given))[0]

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Within a transaction."""
        assert self._now is not None, "a transaction comes first"
        await self._now.reach()
        statement = self._tables.statement_of(sql)
        for each in rows:
            await statement(self._now, *each)

    async def copy_records_to_table(
        self, table: str, *, schema_name: str, columns: Sequence[str], records: Iterable[Sequence[Any]]
    ) -> None:
        await self._run(f"COPY {schema_name}.{table} ({', '.join(columns)})", records)

    async def fetch(self, sql: str, *given: Any) -> list[TableRow]:
        return (await self._run(sql, *given))[1]

    async def fetchrow(self, sql: str, *given: Any) -> TableRow | None:
        return next(iter(await self.fetch(sql, *given)), None)

    async def fetchval(self, sql: str, *given: Any) -> Any:
        row = await self.fetchrow(sql, *given)
        return None if row is None else row[0]

    async def cursor(self, sql: str) -> Rows:
        return Rows(await self.fetch(sql))


class SimulatedPool:
    """A pool of connections, of one process."""

    def __init__(self, tables: SimulatedTables, process: Process | None) -> None:
        self._tables = tables
        self._open: set[Transaction] = set()
        if process is not None:
            process.on_death.append(self.lose)

    def lose(self) -> None:
        """The sessions end, whatever the process does."""
        for each in list(self._open):
            each.lose()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[SimulatedSession]:
        yield self._session()

    def _session(self) -> SimulatedSession:
        return SimulatedSession(self._tables, self._open)

    async def execute(self, sql: str, *given: Any) -> str:
        return await self._session().execute(sql, *given)

    async def fetch(self, sql: str, *given: Any) -> list[TableRow]:
        return await self._session().fetch(sql, *given)

    async def fetchrow(self, sql: str, *given: Any) -> TableRow | None:
        return await self._session().fetchrow(sql, *given)

    async def fetchval(self, sql: str, *given: Any) -> Any:
        return await self._session().fetchval(sql, *given)


class SimulatedMarks:
    """Port Marks."""

    def __init__(self, tables: SimulatedTables) -> None:
        self._tables = tables

    async def read(self) -> Marked | None:
        return self._tables.marked

    async def keep(self, marked: Marked) -> bool:
        self._tables.marked = marked
        return True
