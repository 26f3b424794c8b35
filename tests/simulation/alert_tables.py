"""The schema `alerting` in memory: its rows, and what Postgres promises about them, for the statements that alert workers send.

The workers' own code asks, seals and proves every row. What stands here in the place of Postgres: a transaction is seen as a whole or
not at all, a row that one has locked keeps the others waiting, and when a process dies its transactions never were.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from services.adapters.snapshots import SealedSnapshot
from services.alert_worker import books, counts, positions, schema, takeover
from services.alert_worker.marks import Marked
from services.alert_worker.schema import ITEMS, KEY_COLUMNS, PAIRS, ROWS, UNJUDGED, WINDOWS
from tests.simulation.virtual import Process

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


# -- statements -------------------------------------------------------------------------------------------------------

Done = tuple[str, list[TableRow]]
"""The status, and the rows."""
Statement = Callable[..., Awaitable[Done]]


def _rows(columns: Sequence[str], rows: Iterator[Sequence[Any]] | Sequence[Sequence[Any]]) -> Done:
    found = [TableRow.of(columns, each) for each in rows]
    return f"SELECT {len(found)}", found


async def _nothing(now: Transaction, *_: Any) -> Done:
    return "", []


async def _all_positions(now: Transaction) -> Done:
    return _rows(COLUMNS[POSITIONS], [row for _, row in now.all(POSITIONS)])


async def _locked_position(now: Transaction, topic: str, partition: int) -> Done:
    name = topic, partition
    if now.get(POSITIONS, name) is None:
        return _rows((), [])
    await now.lock(POSITIONS, name)
    row = now.get(POSITIONS, name)
    return _rows(COLUMNS[POSITIONS], [] if row is None else [row])


async def _new_position(now: Transaction, *row: Any) -> Done:
    await now.lock(POSITIONS, row[:2])
    if now.get(POSITIONS, row[:2]) is None:
        now.put(POSITIONS, row[:2], row)
    return "INSERT 0 1", []


async def _move(now: Transaction, *row: Any) -> Done:
    await now.lock(POSITIONS, row[:2])
    now.put(POSITIONS, row[:2], row)
    return "UPDATE 1", []


async def _pass(now: Transaction, *given: Any) -> Done:
    row, (next, digest, total, mac) = given[:7], given[7:]
    await now.lock(POSITIONS, row[:2])
    held = now.get(POSITIONS, row[:2])
    if held is None or (held[2], held[3], held[5], held[6]) != (next, digest, total, mac):
        return "UPDATE 0", []
    now.put(POSITIONS, row[:2], row)
    return "UPDATE 1", []


async def _windows(now: Transaction, *columns: Sequence[Any]) -> Done:
    found = []
    for *name, mac in zip(*columns, strict=True):
        await now.lock(WINDOWS, tuple(name))
        if now.get(WINDOWS, tuple(name)) is None:
            now.put(WINDOWS, tuple(name), (*name, 0, mac))
        found.append(now.get(WINDOWS, tuple(name)) or ())
    return _rows(COLUMNS[WINDOWS], found)


async def _count(now: Transaction, *columns: Sequence[Any]) -> Done:
    for *name, count, mac in zip(*columns, strict=True):
        now.put(WINDOWS, tuple(name), (*name, count, mac))
    return "UPDATE", []


def _inserted(table: str) -> Statement:
    async def insert(now: Transaction, *columns: Sequence[Any]) -> Done:
        found = []
        for *name, mac in zip(*columns, strict=True):
            await now.lock(table, tuple(name))
            if now.get(table, tuple(name)) is None:
                now.put(table, tuple(name), (*name, mac))
                found.append(name)
        return _rows(COLUMNS[table][:-1], found)

    return insert


def _there(table: str) -> Statement:
    async def there(now: Transaction, *columns: Sequence[Any]) -> Done:
        found = [now.get(table, name) for name in zip(*columns, strict=True)]
        return _rows(COLUMNS[table], [row for row in found if row is not None])

    return there


def _every(table: str) -> Statement:
    async def every(now: Transaction) -> Done:
        return _rows(COLUMNS[table], [row for _, row in now.all(table)])

    return every


async def _put_off(now: Transaction, *row: Any) -> Done:
    await now.lock(UNJUDGED, row[:1])
    if now.get(UNJUDGED, row[:1]) is not None:
        return "INSERT 0 0", []
    now.put(UNJUDGED, row[:1], row)
    return "INSERT 0 1", []


async def _oldest_unjudged(now: Transaction, without: Sequence[str]) -> Done:
    for name, row in now.all(UNJUDGED):
        if row[1] not in without and now.is_free(UNJUDGED, name):
            await now.lock(UNJUDGED, name)
            return _rows(COLUMNS[UNJUDGED], [row])
    return _rows((), [])


async def _unjudged_removed(now: Transaction, position: int) -> Done:
    await now.lock(UNJUDGED, (position,))
    row = now.get(UNJUDGED, (position,))
    now.put(UNJUDGED, (position,), None)
    return _rows(COLUMNS[UNJUDGED], [] if row is None else [row])


async def _oldest_position(now: Transaction) -> Done:
    return _rows(("min",), [(min((row[0] for _, row in now.all(UNJUDGED)), default=None),)])


async def _origin(now: Transaction) -> Done:
    return _rows(COLUMNS[ORIGIN], [row for _, row in now.all(ORIGIN)])


async def _new_origin(now: Transaction, *row: Any) -> Done:
    now.put(ORIGIN, (), row)
    return "INSERT 0 1", []


async def _advisory(now: Transaction, number: int) -> Done:
    await now.lock("advisory", (number,))
    return "", []


async def _lock_positions(now: Transaction) -> Done:
    for name, _ in now.all(POSITIONS):
        await now.lock(POSITIONS, name)
    return "", []


async def _made(now: Transaction) -> Done:
    now.put(MADE, (), ())
    return "", []


async def _drop(now: Transaction) -> Done:
    for table in COLUMNS:
        for name, _ in now.all(table):
            now.put(table, name, None)
    return "", []


async def _drop_origin(now: Transaction) -> Done:
    now.put(ORIGIN, (), None)
    return "", []


async def _is_made(now: Transaction) -> Done:
    return _rows(("there",), [(now.get(MADE, ()) is not None,)])


async def _columns_stand(now: Transaction) -> Done:
    return _rows(("count",), [(2,)])


async def _has_snapshots(now: Transaction, table: str) -> Done:
    return _rows(("there",), [(table == "present.versioned_snapshots",)])


async def _snapshot_places(now: Transaction, versions: Sequence[int], key: str) -> Done:
    good = [each for each in now.tables.snapshots if each.version in versions and each.mac.startswith(key)]
    return _rows(("log", "version", "position"), [(each.log, each.version, each.position) for each in good])


async def _snapshot(now: Transaction, *place: Any) -> Done:
    return _rows(SealedSnapshot._fields, [each for each in now.tables.snapshots if each[:3] == place])


STATEMENTS: Mapping[str, Statement] = {
    books._ORIGIN: _origin,
    "INSERT INTO alerting.origin": _new_origin,
    positions.POSITIONS: _all_positions,
    positions._LOCKED: _locked_position,
    "INSERT INTO alerting.positions": _new_position,
    positions._MOVE: _move,
    positions._PASS: _pass,
    counts._WINDOWS: _windows,
    counts._COUNT: _count,
    **{counts._INSERTED[table]: _inserted(table) for table in (ITEMS, PAIRS)},
    **{counts._THERE[table]: _there(table) for table in (ITEMS, PAIRS)},
    "INSERT INTO alerting.unjudged": _put_off,
    "SELECT position, account, document, mac FROM alerting.unjudged WHERE": _oldest_unjudged,
    "DELETE FROM alerting.unjudged": _unjudged_removed,
    "SELECT min(position) FROM alerting.unjudged": _oldest_position,
    "SELECT pg_advisory_xact_lock": _advisory,
    takeover._IS_THERE: _is_made,
    takeover._STANDS: _columns_stand,
    schema._ALTERED_TABLE: _nothing,
    "SELECT log FROM alerting.origin": _origin,
    takeover._LOCK_FIRST: _lock_positions,
    "DROP SCHEMA": _drop,
    schema.TABLES: _made,
    "DROP TABLE IF EXISTS alerting.origin": _drop_origin,
    takeover._ORIGIN_TABLE: _nothing,
    **{
        f"SELECT {', '.join(columns)}, mac FROM alerting.{table} ORDER BY {', '.join(columns[: KEY_COLUMNS[table]])}": _every(
            table
        )
        for table, columns in ROWS.items()
    },
    "SELECT to_regclass($1)": _has_snapshots,
    "SELECT log, version, position FROM present": _snapshot_places,
    "SELECT log, version, position, digest, body, mac FROM present": _snapshot,
}
"""What is sent, or how it begins: what stands for it."""
_FOUND: dict[str, Statement] = dict(STATEMENTS)


def statement_of(sql: str) -> Statement:
    if sql not in _FOUND:
        _FOUND[sql] = STATEMENTS[max((each for each in STATEMENTS if sql.startswith(each)), key=len)]
    return _FOUND[sql]


# -- sessions ---------------------------------------------------------------------------------------------------------


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
