"""Writes changes of tables into Postgres: those of the projections and of a trail's history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import asyncpg

from projections.history.project import STILL
from projections.log.changes import Appends, Closes, InsertsOnce, TableChange, Upserts
from services.adapters.postgres import Connection
from services.bounded import forget_oldest

KNOWN = 100_000
"""How many names of interned rows are remembered for each table."""

InternedNames = dict[str, dict[Any, None]]
"""For each table with its schema: the names of rows that were interned lately and exist."""


class ChangeWriter:
    """Writes changes of the tables in one schema, within the caller's transaction.

    `known` says which interned rows need not be written again. `remember` adds the new ones: the caller calls it once its
    transaction is committed.
    """

    def __init__(self, connection: Connection | asyncpg.Connection[Any], schema: str, known: InternedNames) -> None:
        self._connection, self._schema, self._known = connection, schema, known
        self._interned: InternedNames = {}

    async def write(self, change: TableChange) -> None:
        table = f"{self._schema}.{change.table}"
        match change:
            case Appends():
                await self._copy(change.table, change.columns, change.rows)
            case InsertsOnce():
                await self._intern(table, change)
            case Closes():
                await self._connection.executemany(
                    f"UPDATE {table} SET until_position = $3, until_at = $4 "
                    f"WHERE kind = $1 AND id = $2 AND until_position = {STILL}",
                    change.rows,
                )
            case Upserts():
                await self._upsert(table, change)
            case _:
                assert_never(change)

    def remember(self) -> None:
        for table, names in self._interned.items():
            known = self._known.setdefault(table, {})
            known.update(names)
            forget_oldest(known, KNOWN)
        self._interned = {}

    async def _copy(self, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        await self._connection.copy_records_to_table(table, schema_name=self._schema, columns=columns, records=rows)

    async def _intern(self, table: str, change: InsertsOnce) -> None:
        """Writes the rows that do not exist yet. Rows that were found lately are not looked for again."""
        known: Mapping[Any, None] = self._known.get(table, {})
        new = [row for row in change.rows if row[0] not in known]
        if not new:
            return
        beside = f"new_{change.table}"
        columns = ", ".join(change.columns)
        await self._connection.execute(f"CREATE TEMP TABLE {beside} (LIKE {table}) ON COMMIT DROP")
        await self._connection.copy_records_to_table(beside, schema_name="pg_temp", columns=change.columns, records=new)
        await self._connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM pg_temp.{beside} ON CONFLICT DO NOTHING; "
            f"DROP TABLE pg_temp.{beside}"
        )
        self._interned.setdefault(table, {}).update(dict.fromkeys(row[0] for row in new))

    async def _upsert(self, table: str, change: Upserts) -> None:
        """Writes new rows as a whole; in rows that exist, only the columns that changed."""
        found = await self._connection.fetch(
            f"SELECT {change.key} FROM {table} WHERE {change.key} = ANY($1)", [row[change.key] for row in change.rows]
        )
        there = {row[change.key] for row in found}
        new = [tuple(row[column] for column in change.columns) for row in change.rows if row[change.key] not in there]
        if new:
            await self._copy(change.table, change.columns, new)
        by_columns: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for row in change.rows:
            if row[change.key] in there:
                columns = tuple(sorted(name for name in row if name != change.key))
                by_columns.setdefault(columns, []).append((row[change.key], *(row[name] for name in columns)))
        for columns, values in by_columns.items():
            assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 2))
            await self._connection.executemany(f"UPDATE {table} SET {assignments} WHERE {change.key} = $1", values)
