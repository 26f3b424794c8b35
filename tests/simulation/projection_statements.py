"""The schemas of projections: what each statement that the projector sends does to their rows.

Tables have the columns and primary keys that `table.sql` of their projection gives them. The rows of a table without a primary key are
numbered, so what is written twice stands there twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import asyncpg

from projections.history.project import STILL
from projections.history.queries import NOW
from projections.registry import PROJECTIONS
from services.adapters import origin
from services.adapters.snapshots import SealedSnapshot
from services.projector import store
from tests.simulation.alert_statements import (
    has_snapshots,
    nothing,
    rows_of,
    snapshot_at,
    snapshot_places,
)
from tests.simulation.tables import Done, SimulatedTables, Statement, TableRow, Transaction

PRESENT_ORIGIN = "present.origin"
Makes = Callable[[re.Match[str]], Statement]


@dataclass(frozen=True, slots=True)
class TableShape:
    """`key`: the places of the columns that name a row; empty where rows are numbered."""

    columns: tuple[str, ...]
    key: tuple[int, ...]

    def name_of(self, row: Sequence[Any], tables: SimulatedTables) -> tuple[Any, ...]:
        if self.key:
            return tuple([row[place] for place in self.key])
        tables.numbered += 1
        return (tables.numbered,)


def _shapes(statements: str) -> Mapping[str, TableShape]:
    """The tables that some CREATE TABLE statements make, by their names."""
    found = {}
    for name, body in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\S+) \((.*?)\)\s*(?:;|$)", statements, re.DOTALL):
        body = re.sub(r"--.*", "", body)
        whole = re.search(r"PRIMARY KEY \((.*?)\)", body)
        parts = [part.split() for part in re.sub(r"PRIMARY KEY \(.*?\)", "", body).split(",") if part.strip()]
        columns = tuple(part[0] for part in parts)
        own = [part[0] for part in parts if "PRIMARY" in part]
        names = whole[1].split(", ") if whole else own
        found[name] = TableShape(columns, tuple(columns.index(each) for each in names))
    return found


SHAPES: Mapping[str, TableShape] = {
    **{
        f"{each.schema}.{table}": shape
        for each in PROJECTIONS.values()
        for table, shape in _shapes(each.table + store._POSITIONS).items()
    },
    PRESENT_ORIGIN: TableShape(("log",), ()),
}
"""By the table's name, with its schema."""


def _named(now: Transaction, table: str) -> str:
    return table if "." in table else f"{now.schema}.{table}"


def _insert(now: Transaction, table: str, rows: Iterable[Sequence[Any]], columns: Sequence[str] = ()) -> None:
    """Raises UniqueViolationError."""
    shape = SHAPES[table]
    places = [columns.index(each) if each in columns else None for each in shape.columns] if columns else []
    if places == list(range(len(shape.columns))):
        places = []
    for given in rows:
        row = tuple([None if at is None else given[at] for at in places]) if places else tuple(given)
        name = shape.name_of(row, now.tables)
        if now.get(table, name) is not None:
            raise asyncpg.UniqueViolationError(f"{table} has {name}")
        now.put(table, name, row)


def _copy(found: re.Match[str]) -> Statement:
    table, columns = found[1], found[2].split(", ")

    async def copy(now: Transaction, rows: Sequence[Sequence[Any]]) -> Done:
        if table.startswith("pg_temp."):
            now.beside[table] = rows
        else:
            _insert(now, table, rows, columns)
        return "COPY", []

    return copy


def _insert_beside(found: re.Match[str]) -> Statement:
    table, columns, beside = found[1], found[2].split(", "), found[3]

    async def insert(now: Transaction) -> Done:
        shape = SHAPES[table]
        key = columns.index(shape.columns[shape.key[0]])
        new = {row[key]: row for row in reversed(now.beside.pop(beside)) if now.get(table, (row[key],)) is None}
        _insert(now, table, reversed(new.values()), columns)
        return "INSERT", []

    return insert


def _select(found: re.Match[str]) -> Statement:
    """All rows, or those with one value in a column, or those whose primary key is one of some."""
    columns, of, where, any_of = found[1].split(", "), found[2], found[3], found[4]

    async def select(now: Transaction, *given: Any) -> Done:
        table = _named(now, of)
        shape = SHAPES[table]
        places = [shape.columns.index(each) for each in columns]
        if any_of is not None:
            assert (shape.columns.index(any_of),) == shape.key
            rows = [row for name in given[0] if (row := now.get(table, (name,))) is not None]
        else:
            rows = [row for _, row in now.all(table)]
        if where is not None:
            at = shape.columns.index(where)
            rows = [row for row in rows if row[at] == given[0]]
        return rows_of(columns, [tuple([row[place] for place in places]) for row in rows])

    return select


def _update(found: re.Match[str]) -> Statement:
    """One row, by its primary key."""
    table, key = found[1], found[3]
    columns = re.findall(r"(\w+) = \$\d+", found[2])

    async def update(now: Transaction, name: Any, *values: Any) -> Done:
        row = now.get(table, (name,))
        if row is None:
            return "UPDATE 0", []
        shape = SHAPES[table]
        assert (shape.columns.index(key),) == shape.key
        new = list(row)
        for column, value in zip(columns, values, strict=True):
            new[shape.columns.index(column)] = value
        now.put(table, (name,), tuple(new))
        return "UPDATE 1", []

    return update


def _close(found: re.Match[str]) -> Statement:
    table = found[1]
    shape = SHAPES[table]
    position, at = shape.columns.index("until_position"), shape.columns.index("until_at")

    async def close(now: Transaction, kind: str, aggregate: str, until: int, until_at: Any) -> Done:
        for name, row in now.all_of(table, (kind, aggregate)):
            if row[position] == STILL:
                new = list(row)
                new[position], new[at] = until, until_at
                now.put(table, name, tuple(new))
        return "UPDATE", []

    return close


def _move(table: str, *, onward: str = "") -> Makes:
    """An upsert. `onward`: it is left out if this column would not grow."""

    def makes(found: re.Match[str]) -> Statement:
        async def move(now: Transaction, *row: Any) -> Done:
            named = _named(now, table)
            shape = SHAPES[named]
            name = shape.name_of(row, now.tables)
            before = now.get(named, name)
            place = shape.columns.index(onward) if onward else 0
            if not onward or before is None or before[place] < row[place]:
                now.put(named, name, row)
            return "INSERT 0 1", []

        return move

    return makes


def _drop(found: re.Match[str]) -> Statement:
    prefix = f"{found[1]}."

    async def drop(now: Transaction) -> Done:
        for table in [each for each in SHAPES if each.startswith(prefix)]:
            await now.lock(table, ())
            for name, _ in now.all(table):
                now.put(table, name, None)
        return "DROP SCHEMA", []

    return drop


def _lock(found: re.Match[str]) -> Statement:
    """It keeps out whoever locks the same table, and nobody who reads."""

    async def lock(now: Transaction) -> Done:
        await now.lock(_named(now, found[1]), ())
        return "LOCK TABLE", []

    return lock


def _search_path(found: re.Match[str]) -> Statement:
    async def search(now: Transaction) -> Done:
        now.schema = found[1]
        return "SET", []

    return search


async def _advisory(now: Transaction, number: int) -> Done:
    await now.lock("advisory", (int(number),))
    return "SELECT 1", []


async def _is_there(now: Transaction, table: str) -> Done:
    if table.startswith("present."):
        return await has_snapshots(now, table)
    return rows_of(("there",), [(bool(now.all(table)),)])


async def _which(now: Transaction, table: str) -> Done:
    """A simulation has no rebuild, and a projector that makes tables anew remembers nothing of the former ones."""
    return rows_of(("to_regclass",), [(1,)])


async def _new_origin(now: Transaction, *row: Any) -> Done:
    _insert(now, _named(now, "origin"), [row])
    return "INSERT 0 1", []


async def _new_present_origin(now: Transaction, log: str) -> Done:
    await now.lock(PRESENT_ORIGIN, ())
    if not now.all(PRESENT_ORIGIN):
        _insert(now, PRESENT_ORIGIN, [(log,)])
    return "INSERT 0 1", []


async def _present(now: Transaction) -> Done:
    """The versions that are still in force, with the texts of their policies."""
    shape, columns = SHAPES["p_history.history"], [each.split(".")[1] for each in _NOW_COLUMNS]
    found = []
    for _, row in now.all("p_history.history"):
        each = dict(zip(shape.columns, row, strict=True))
        if each["until_position"] == STILL:
            text = now.get("p_history.texts", (each["policy"],))
            each["text"] = None if text is None else text[1]
            found.append(tuple([each[name] for name in columns]))
    return rows_of(columns, found)


_NOW_COLUMNS = re.findall(r"\b[ht]\.\w+", NOW.partition(" FROM ")[0])


def _always(statement: Statement) -> Makes:
    return lambda found: statement


STATEMENTS: Sequence[tuple[str, Makes]] = (
    (r"SELECT pg_advisory_xact_lock\(\$1\)", _always(_advisory)),
    (r"SELECT to_regclass\(\$1\) IS NOT NULL", _always(_is_there)),
    (re.escape(store._WHICH_TABLES), _always(_which)),
    (r"SELECT log, version, position FROM present\.versioned_snapshots .*", _always(snapshot_places)),
    (r"SELECT log, version, position, digest, body, mac FROM present\.versioned_snapshots .*", _always(snapshot_at)),
    (r"SELECT FROM pg_namespace LIMIT 1", _always(nothing)),
    (re.escape(origin._TABLE), _always(nothing)),
    (r"INSERT INTO present\.origin .*", _always(_new_present_origin)),
    (r"DROP SCHEMA IF EXISTS (\w+) CASCADE", _drop),
    (r"CREATE SCHEMA \w+", _always(nothing)),
    (r"SET LOCAL search_path TO (\w+)", _search_path),
    *((re.escape(each.table), _always(nothing)) for each in PROJECTIONS.values()),
    (re.escape(store._POSITIONS), _always(nothing)),
    (r"INSERT INTO origin VALUES \(\$1, \$2\)", _always(_new_origin)),
    (r"LOCK TABLE ([\w.]+) IN SHARE ROW EXCLUSIVE MODE", _lock),
    (re.escape(store._MOVE), _move("positions")),
    (re.escape(store._MOVE_LANE), _move("lanes", onward="number")),
    (re.escape(store._MOVE_ANCHOR), _move("anchors", onward="number")),
    (re.escape(NOW), _always(_present)),
    (r"COPY ([\w.]+) \((.*)\)", _copy),
    (r"CREATE TEMP TABLE \w+ \(LIKE [\w.]+\) ON COMMIT DROP", _always(nothing)),
    (r"INSERT INTO ([\w.]+) \((.*)\) SELECT .* FROM (\S+) ON CONFLICT DO NOTHING; DROP TABLE \S+", _insert_beside),
    (
        r"UPDATE ([\w.]+) SET until_position = \$3, until_at = \$4 "
        rf"WHERE kind = \$1 AND id = \$2 AND until_position = {STILL}",
        _close,
    ),
    (r"UPDATE ([\w.]+) SET (.*) WHERE (\w+) = \$1", _update),
    (r"SELECT ([\w, ]+) FROM ([\w.]+)(?: WHERE (\w+) = \$1)?(?: WHERE (\w+) = ANY\(\$1\))?", _select),
)
"""What is sent, as a pattern: what stands for it."""


@cache
def statement_of(sql: str) -> Statement:
    """Raises LookupError."""
    for pattern, makes in STATEMENTS:
        found = re.fullmatch(pattern, sql, re.DOTALL)
        if found is not None:
            return makes(found)
    raise LookupError(f"the projector sends what nothing stands for: {sql}")


def projection_tables(chance: Random, snapshots: list[SealedSnapshot]) -> SimulatedTables:
    return SimulatedTables(chance, snapshots, statement_of)


def contents(tables: SimulatedTables, schema: str) -> Mapping[str, list[TableRow]]:
    """The rows of each table of a schema that are committed."""
    return {
        table.partition(".")[2]: [TableRow.of(shape.columns, row) for row in tables.rows[table].values()]
        for table, shape in SHAPES.items()
        if table.startswith(f"{schema}.")
    }
