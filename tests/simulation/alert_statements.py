"""The schema `alerting`: what each statement that alert workers send does to its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from services.adapters import skips
from services.adapters.snapshots import SealedSnapshot
from services.alert_worker import books, counts, positions, schema, takeover
from services.alert_worker.schema import ITEMS, KEY_COLUMNS, PAIRS, ROWS, UNJUDGED, WINDOWS
from tests.simulation.tables import Done, SimulatedTables, Statement, TableRow, Transaction

POSITIONS, ORIGIN, MADE = "positions", "origin", "made"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    POSITIONS: ("topic", "partition", "next", "digest", "skew", "total", "mac"),
    ORIGIN: ("log", "era", "mac"),
    **{table: (*columns, "mac") for table, columns in ROWS.items()},
}


def alert_tables(chance: Random, snapshots: list[SealedSnapshot]) -> SimulatedTables:
    return SimulatedTables(chance, snapshots, statement_of)


def rows_of(columns: Sequence[str], rows: Iterator[Sequence[Any]] | Sequence[Sequence[Any]]) -> Done:
    found = [TableRow.of(columns, each) for each in rows]
    return f"SELECT {len(found)}", found


async def nothing(now: Transaction, *_: Any) -> Done:
    return "", []


async def _all_positions(now: Transaction) -> Done:
    return rows_of(COLUMNS[POSITIONS], [row for _, row in now.all(POSITIONS)])


async def _locked_position(now: Transaction, topic: str, partition: int) -> Done:
    name = topic, partition
    if now.get(POSITIONS, name) is None:
        return rows_of((), [])
    await now.lock(POSITIONS, name)
    row = now.get(POSITIONS, name)
    return rows_of(COLUMNS[POSITIONS], [] if row is None else [row])


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
    return rows_of(COLUMNS[WINDOWS], found)


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
        return rows_of(COLUMNS[table][:-1], found)

    return insert


def _there(table: str) -> Statement:
    async def there(now: Transaction, *columns: Sequence[Any]) -> Done:
        found = [now.get(table, name) for name in zip(*columns, strict=True)]
        return rows_of(COLUMNS[table], [row for row in found if row is not None])

    return there


def _every(table: str) -> Statement:
    async def every(now: Transaction) -> Done:
        return rows_of(COLUMNS[table], [row for _, row in now.all(table)])

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
            return rows_of(COLUMNS[UNJUDGED], [row])
    return rows_of((), [])


async def _unjudged_removed(now: Transaction, position: int) -> Done:
    await now.lock(UNJUDGED, (position,))
    row = now.get(UNJUDGED, (position,))
    now.put(UNJUDGED, (position,), None)
    return rows_of(COLUMNS[UNJUDGED], [] if row is None else [row])


async def _oldest_position(now: Transaction) -> Done:
    return rows_of(("min",), [(min((row[0] for _, row in now.all(UNJUDGED)), default=None),)])


async def _origin(now: Transaction) -> Done:
    return rows_of(COLUMNS[ORIGIN], [row for _, row in now.all(ORIGIN)])


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
    return rows_of(("there",), [(now.get(MADE, ()) is not None,)])


async def _no_permits(now: Transaction) -> Done:
    """Nobody accepts a loss here."""
    return rows_of(("there",), [(False,)])


async def _columns_stand(now: Transaction) -> Done:
    return rows_of(("count",), [(2,)])


async def has_snapshots(now: Transaction, table: str) -> Done:
    return rows_of(("there",), [(table == "present.versioned_snapshots",)])


async def snapshot_places(now: Transaction, versions: Sequence[int], key: str) -> Done:
    good = [each for each in now.tables.snapshots if each.version in versions and each.mac.startswith(key)]
    return rows_of(("log", "version", "position"), [(each.log, each.version, each.position) for each in good])


async def snapshot_at(now: Transaction, *place: Any) -> Done:
    return rows_of(SealedSnapshot._fields, [each for each in now.tables.snapshots if each[:3] == place])


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
    skips._IS_THERE: _no_permits,
    schema._ALTERED_TABLE: nothing,
    "SELECT log FROM alerting.origin": _origin,
    takeover._LOCK_FIRST: _lock_positions,
    "DROP SCHEMA": _drop,
    schema.TABLES: _made,
    "DROP TABLE IF EXISTS alerting.origin": _drop_origin,
    takeover._ORIGIN_TABLE: nothing,
    **{
        f"SELECT {', '.join(columns)}, mac FROM alerting.{table} ORDER BY {', '.join(columns[: KEY_COLUMNS[table]])}": _every(
            table
        )
        for table, columns in ROWS.items()
    },
    "SELECT to_regclass($1)": has_snapshots,
    "SELECT log, version, position FROM present": snapshot_places,
    "SELECT log, version, position, digest, body, mac FROM present": snapshot_at,
}
"""What is sent, or how it begins: what stands for it."""
_FOUND: dict[str, Statement] = dict(STATEMENTS)


def statement_of(sql: str) -> Statement:
    if sql not in _FOUND:
        _FOUND[sql] = STATEMENTS[max((each for each in STATEMENTS if sql.startswith(each)), key=len)]
    return _FOUND[sql]
