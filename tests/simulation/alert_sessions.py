"""Connections of alert workers to their tables, in the place of asyncpg's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.alert_worker.marks import Marked
from tests.simulation.alert_statements import Done, statement_of
from tests.simulation.alert_tables import AlertTables, TableRow, Transaction
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

    def __init__(self, tables: AlertTables, open: set[Transaction]) -> None:
        self._tables = tables
        self._open = open
        self._now: Transaction | None = None

    @asynccontextmanager
    async def transaction(self, *, isolation: str = "", readonly: bool = False) -> AsyncIterator[None]:
        self._now = now = Transaction(self._tables, repeatable=isolation == "repeatable_read")
        self._open.add(now)
        try:
            yield
            await now.commit()
        finally:
            now.end()
            self._open.discard(now)
            self._now = None

    async def _run(self, sql: str, *given: Any) -> Done:
        if self._now is None:
            async with self.transaction():
                return await self._run(sql, *given)
        await self._tables.way()
        return await statement_of(sql)(self._now, *given)

    async def execute(self, sql: str, *given: Any) -> str:
        return (await self._run(sql, *given))[0]

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

    def __init__(self, tables: AlertTables, process: Process | None) -> None:
        self._tables = tables
        self._open: set[Transaction] = set()
        if process is not None:
            process.on_death.append(self._died)

    def _died(self) -> None:
        for each in list(self._open):
            each.end()

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

    def __init__(self, tables: AlertTables) -> None:
        self._tables = tables

    async def read(self) -> Marked | None:
        return self._tables.marked

    async def keep(self, marked: Marked) -> bool:
        self._tables.marked = marked
        return True
