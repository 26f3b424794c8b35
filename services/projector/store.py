"""Writes entries into Postgres exactly once: by position, in the transaction that moves the position.

Each projection has a separate schema with its tables and its positions, so that a rebuild fills another schema beside it and
renaming swaps them.

Positions have a MAC under the current key of records. After a rotation they get a new MAC with the next batch; at the latest
from the command that rotates (services/log_keys/rotation.py), before the log retires the former key. A start believes no position
under a retired key.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from domain.log import lane
from domain.log.authenticity import POSITION, Keyring, key_of_row
from domain.log.authority import Authority, authority_from
from domain.log.lane import LaneName
from projections.log.entry import DECISIONS, EVENTS, Entry
from projections.registry import Projection
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Connection, Pool
from services.logs import logger_of
from services.projector.change_writer import ChangeWriter, InternedNames
from services.projector.known_log import LogPlace, require_same_records

log = logger_of("projector")

Partition = tuple[str, int]
"""(topic, partition)."""
TEMPORARY = "pg_temp"
"""The name of a connection's own schema, which Postgres drops with the connection."""


@dataclass(slots=True)
class ReadTo:
    """How far the topics are read: the next offset of each partition; the digest of the last valid record of `events` and what
    is authentic after it; how far each lane of decisions is read, and up to which number it is anchored. For a batch, only the
    lanes that moved. `last`: the digest of the value before a partition's next offset, for other topics. `since`, for a
    batch: the digest of the last valid record of `events` before it."""

    offsets: dict[Partition, int] = field(default_factory=dict)
    digest: str = ""
    authority: Authority = field(default_factory=Authority)
    lanes: dict[LaneName, lane.Reached] = field(default_factory=dict)
    anchored: dict[LaneName, int] = field(default_factory=dict)
    last: dict[Partition, str] = field(default_factory=dict)
    since: str = ""

    @property
    def on_log(self) -> LogPlace:
        return LogPlace(self.offsets.get((EVENTS, 0), 0), self.digest, self.authority)


@dataclass(slots=True)
class ProjectorMemory:
    """What the projector remembers between batches. `states`: by schema, for projections that fold, the next offset of each
    partition and the state there. The state is used only if the tables are at the same offsets. `known`: by schema, of which
    tables that is remembered: a rebuild puts others in their place, which need not have the same rows."""

    states: dict[str, tuple[Mapping[Partition, int], Any]] = field(default_factory=dict)
    known: dict[str, tuple[int, InternedNames]] = field(default_factory=dict)
    seen: dict[str, dict[Partition, tuple[Any, ...]]] = field(default_factory=dict)
    """By schema: the rows of positions that were proved or written last."""


class ProjectionChanged(Exception):
    """Somebody else wrote a projection's positions, or rows that do not fit them. `anew`: the tables do not show it, so the
    projection is rebuilt whatever they contain."""

    def __init__(self, projection: Projection, what: str, *, anew: bool = False) -> None:
        super().__init__(f"{projection.name}: {what}")
        self.schema, self.anew = projection.schema, anew


_POSITIONS = """
CREATE TABLE positions (
    topic text NOT NULL, partition int NOT NULL, next bigint NOT NULL, digest text NOT NULL, authority text NOT NULL,
    mac text NOT NULL, PRIMARY KEY (topic, partition)
);
CREATE TABLE lanes (
    worker text NOT NULL, lane int NOT NULL, number bigint NOT NULL, digest text NOT NULL, partition int NOT NULL,
    mac text NOT NULL, PRIMARY KEY (worker, lane)
);
CREATE TABLE anchors (
    worker text NOT NULL, lane int NOT NULL, number bigint NOT NULL, mac text NOT NULL, PRIMARY KEY (worker, lane)
);
CREATE TABLE origin (log text NOT NULL, tables text NOT NULL)
"""


async def prepare(
    connection: Connection,
    projection: Projection,
    name: str,
    keys: VaultKeyring,
    schema: str | None = None,
    retired: Container[str] = (),
    *,
    anew: bool = False,
    is_cut: Callable[[], Awaitable[bool]] | None = None,
) -> None:
    """Makes the tables if they do not exist. Tables are first thrown away if they belong to another log (`name` is the log's
    id), have another shape or positions that Keytrail did not write, or if `anew` is True. `retired`: the names of the keys
    that the log has retired. `is_cut`: whether a retention has removed decisions. Then tables that have them are kept under
    another name, since nothing can make them again."""
    schema = schema or projection.schema
    tables = projection.table + _POSITIONS
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.PREPARE_PROJECTION)
        there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.origin")
        if there:
            # The schema's name comes from the registry, never from a caller.
            row = await connection.fetchrow(f"SELECT log, tables FROM {schema}.origin")
            if row is not None and (row["log"], row["tables"]) == (name, tables) and not anew:
                if await are_ours(connection, projection, keys, schema, retired):
                    return
                if await are_ours(connection, projection, keys, schema):
                    log.warning(
                        "positions are under a key of records that was retired; the projection is rebuilt",
                        projection=schema,
                    )
                else:
                    log.error("positions were changed by somebody else; the projection is rebuilt", projection=schema)
        if schema != TEMPORARY:
            if there and is_cut is not None and DECISIONS in projection.topics and await is_cut():
                await keep_aside(connection, schema)
            await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            await connection.execute(f"CREATE SCHEMA {schema}")
        await connection.execute(f"SET LOCAL search_path TO {schema}")
        await connection.execute(projection.table)
        await connection.execute(_POSITIONS)
        await connection.execute("INSERT INTO origin VALUES ($1, $2)", name, tables)


async def keep_aside(connection: Connection, schema: str) -> None:
    """Gives a schema another name, under which nobody reads or removes it."""
    aside, number = f"{schema}_kept_1", 1
    while await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", aside):
        number += 1
        aside = f"{schema}_kept_{number}"
    await connection.execute(f"ALTER SCHEMA {schema} RENAME TO {aside}")
    log.error("decisions that their topic no longer has are kept in other tables", projection=schema, kept=aside)


async def are_made(pool: Pool, projections: Iterable[Projection]) -> bool:
    """Whether each projection has its tables. Raises asyncpg's errors."""
    schemas = [each.schema for each in projections]
    made = await pool.fetchval(
        "SELECT count(*) FROM unnest($1::text[]) AS name WHERE to_regclass(name || '.origin') IS NOT NULL", schemas
    )
    return bool(made == len(schemas))


_ROWS = {
    "positions": ("topic, partition, next, digest, authority", "(topic, partition)"),
    "lanes": ("worker, lane, number, digest, partition", "(worker, lane)"),
    "anchors": ("worker, lane, number", "(worker, lane)"),
}
"""By table: the columns that a MAC covers, and the first two of them, which name a row."""


async def _rows(connection: Connection, schema: str) -> dict[str, list[Any]]:
    return {
        table: await connection.fetch(f"SELECT {columns}, mac FROM {schema}.{table}")
        for table, (columns, _) in _ROWS.items()
    }


async def are_ours(
    connection: Connection, projection: Projection, keys: VaultKeyring, schema: str, retired: Container[str] = ()
) -> bool:
    """Whether Keytrail wrote every position, under a key that is not in `retired`. Tables of another shape are not ours."""
    try:
        async with connection.transaction():
            found = await _rows(connection, schema)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return False
    return await _prove(projection, keys, found, retired)


async def _prove(
    projection: Projection, keys: VaultKeyring, found: Mapping[str, Iterable[Any]], retired: Container[str]
) -> bool:
    if any(key_of_row(row["mac"]) not in keys for rows in found.values() for row in rows):
        await keys.read_again()  # another process may have used a newer key
    return all(
        # A lane's MAC would also fit a position whose topic is the worker's name.
        (table != "positions" or row["topic"] in projection.topics)
        and key_of_row(row["mac"]) not in retired
        and keys.holds(row["mac"], POSITION, projection.name, *tuple(row)[:-1])
        for table, rows in found.items()
        for row in rows
    )


async def seal_anew(
    connection: Connection, projection: Projection, keys: VaultKeyring, schema: str, retired: Container[str]
) -> bool:
    """Gives each position a MAC under the current key, if Keytrail wrote all of them. Otherwise it changes nothing and returns
    False, and the next start finds them."""
    async with connection.transaction():
        await connection.execute(f"LOCK TABLE {schema}.positions IN SHARE ROW EXCLUSIVE MODE")
        found = await _rows(connection, schema)
        if not await _prove(projection, keys, found, retired):
            return False
        for table, rows in found.items():
            fields = [tuple(row)[:-1] for row in rows if key_of_row(row["mac"]) != keys.newest]
            await connection.executemany(
                f"UPDATE {schema}.{table} SET mac = $3 WHERE {_ROWS[table][1]} = ($1, $2)",
                [(*row[:2], row[-1]) for row in _with_macs(keys, projection, fields)],
            )
    return True


def _with_macs(keys: Keyring, projection: Projection, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(*row, keys.mac(POSITION, projection.name, *row)) for row in rows]


async def positions(connection: Connection, schema: str) -> dict[Partition, int]:
    """The next offset of each partition that has been read."""
    rows = await connection.fetch(f"SELECT topic, partition, next FROM {schema}.positions")
    return {(row["topic"], row["partition"]): row["next"] for row in rows}


async def reached(
    connection: Connection, projection: Projection, keys: VaultKeyring, retired: Container[str]
) -> ReadTo:
    """How far a projection has read. Raises ProjectionChanged."""
    schema = projection.schema
    if not await are_ours(connection, projection, keys, schema, retired):
        raise ProjectionChanged(projection, "positions that Keytrail did not write")
    result = ReadTo(await positions(connection, schema))
    for row in await connection.fetch(f"SELECT topic, partition, digest, authority FROM {schema}.positions"):
        if row["topic"] == EVENTS:
            result.digest, result.authority = row["digest"], authority_from(json.loads(row["authority"]))
        elif row["digest"]:  # earlier versions kept none
            result.last[row["topic"], row["partition"]] = row["digest"]
    for each in await connection.fetch(f"SELECT worker, lane, number, digest, partition FROM {schema}.lanes"):
        result.lanes[each["worker"], each["lane"]] = lane.Reached(each["number"], each["digest"], each["partition"])
    for each in await connection.fetch(f"SELECT worker, lane, number FROM {schema}.anchors"):
        result.anchored[each["worker"], each["lane"]] = each["number"]
    return result


async def take_in(
    connection: Connection,
    projection: Projection,
    entries: Sequence[Entry],
    to: ReadTo,
    keys: VaultKeyring,
    schema: str | None = None,
    going: ProjectorMemory | None = None,
) -> int:
    """Writes those of `entries` that are new, and moves the positions to `to`. Returns how many entries it wrote.

    It leaves out entries below a stored position: an earlier batch wrote them, but its answer was lost. Raises
    ProjectionChanged if somebody else wrote a position, or rows that this batch brings; OutOfRange if the log has other records
    now than those that the tables were made of.
    """
    schema = schema or projection.schema
    going = going or ProjectorMemory()
    wanted = {where: after for where, after in to.offsets.items() if where[0] in projection.topics}
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path TO {schema}")
        # The whole table is locked: it may have no rows yet, and a killed projector may still be committing.
        await connection.execute("LOCK TABLE positions IN SHARE ROW EXCLUSIVE MODE")
        tables = await connection.fetchval(_WHICH_TABLES, f"{schema}.positions")
        if schema not in going.known or going.known[schema][0] != tables:
            going.known[schema] = tables, {}
        writer = ChangeWriter(connection, schema, going.known[schema][1])
        rows = await connection.fetch(f"SELECT {_ROWS['positions'][0]}, mac FROM positions")
        # A schema beside the live one was filled by this process, which may read of a rotation and its end in one batch.
        retired = to.authority.retired if schema == projection.schema else ()
        seen = going.seen.get(schema, {})
        stored = await _proved(projection, keys, rows, seen, retired)
        if any(key_of_row(row["mac"]) != keys.newest for row in rows):
            await seal_anew(connection, projection, keys, schema, retired)
        log_position = next((LogPlace(row["next"], row["digest"]) for row in rows if row["topic"] == EVENTS), None)
        if log_position is not None and (EVENTS, 0) in wanted:
            require_same_records(log_position, to.on_log, to.since, entries)
        new = [
            entry
            for entry in entries
            if entry.topic in projection.topics and entry.offset >= stored.get((entry.topic, entry.partition), 0)
        ]
        state = await _state(connection, projection, schema, stored, going)
        try:
            for change in projection.changes(new, state):
                await writer.write(change)
        except asyncpg.UniqueViolationError as fault:
            raise ProjectionChanged(projection, f"rows that were to come were there: {fault}", anew=True) from fault
        authority = json.dumps(to.authority.document(), sort_keys=True)
        moved = [
            (*where, after, *((to.digest, authority) if where[0] == EVENTS else (to.last.get(where, ""), "")))
            for where, after in wanted.items()
            if after > stored.get(where, 0)
        ]
        written = _with_macs(keys, projection, moved)
        await connection.executemany(_MOVE, written)
        if DECISIONS in projection.topics:
            lanes = [(*name, each.number, each.digest, each.partition) for name, each in to.lanes.items()]
            await connection.executemany(_MOVE_LANE, _with_macs(keys, projection, lanes))
            anchors = [(*name, number) for name, number in to.anchored.items()]
            await connection.executemany(_MOVE_ANCHOR, _with_macs(keys, projection, anchors))
    # The transaction is committed only now.
    going.seen[schema] = seen | {(row[0], row[1]): row for row in [*map(tuple, rows), *written]}
    if projection.restore is not None:
        going.states[schema] = (stored | {(topic, partition): after for topic, partition, after, *_ in moved}, state)
    writer.remember()
    return len(new)


def require_onward(
    projection: Projection, stored: Mapping[Partition, int], seen: Mapping[Partition, tuple[Any, ...]]
) -> None:
    """A position never goes back and never disappears. A process remembers the last positions, so it does not believe an old row
    that somebody puts back. Raises ProjectionChanged."""
    if any(stored.get(where, 0) < row[2] for where, row in seen.items()):
        raise ProjectionChanged(projection, "positions went back", anew=True)


async def _proved(
    projection: Projection,
    keys: VaultKeyring,
    rows: Sequence[Any],
    seen: Mapping[Partition, tuple[Any, ...]],
    retired: Container[str],
) -> dict[Partition, int]:
    """The next offset of each partition. Each row must be the one seen last, or written by Keytrail. Raises ProjectionChanged."""
    stored = {(row["topic"], row["partition"]): row["next"] for row in rows}
    require_onward(projection, stored, seen)
    new = [row for row in rows if seen.get((row["topic"], row["partition"])) != tuple(row)]
    if new and not await _prove(projection, keys, {"positions": new}, retired):
        raise ProjectionChanged(projection, "positions that Keytrail did not write")
    return stored


_WHICH_TABLES = "SELECT to_regclass($1)::oid::bigint"
_MOVE = (
    "INSERT INTO positions VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (topic, partition) DO UPDATE "
    "SET next = excluded.next, digest = excluded.digest, authority = excluded.authority, mac = excluded.mac"
)
_MOVE_LANE = (
    "INSERT INTO lanes VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (worker, lane) DO UPDATE "
    "SET number = excluded.number, digest = excluded.digest, partition = excluded.partition, mac = excluded.mac "
    "WHERE lanes.number < excluded.number"
)
_MOVE_ANCHOR = (
    "INSERT INTO anchors VALUES ($1, $2, $3, $4) ON CONFLICT (worker, lane) DO UPDATE "
    "SET number = excluded.number, mac = excluded.mac WHERE anchors.number < excluded.number"
)


async def _state(
    connection: Connection,
    projection: Projection,
    schema: str,
    stored: Mapping[Partition, int],
    going: ProjectorMemory,
) -> Any:
    """The state of a projection that folds, at the offsets of its tables. It is removed from `going`, so that a batch that
    fails leaves no wrong state."""
    if projection.restore is None:
        return None
    kept = going.states.pop(schema, None)
    return kept[1] if kept is not None and kept[0] == stored else await projection.restore(connection)
