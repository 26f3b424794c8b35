"""What judging the stream holds in Postgres: how far each partition is judged, and what the rules that count have counted.

Positions and counts move in one transaction, and the alerts that it raises are on their topic before it is committed: a
process that is killed at any moment leaves counts that are right and alerts that are at worst sent again, under the same
name. Workers on different partitions count in the same rows, so that a window is whole whoever reads which partition.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from domain.alerts.judging import Candidate, Pair
from domain.trail.authenticity import POSITION, Keyring
from services.adapters.postgres import Connection, Pool

log = structlog.get_logger("alerts")

_TABLES = """
CREATE SCHEMA IF NOT EXISTS alerting;
CREATE TABLE IF NOT EXISTS alerting.origin (log text PRIMARY KEY);
-- How far is each partition judged? `digest` and `skew` (broker's clock less the record's time, in microseconds, of the
-- last record that was not held to the time of the one before) are of events.
CREATE TABLE IF NOT EXISTS alerting.positions (
    topic text, partition int, next bigint NOT NULL, digest text NOT NULL DEFAULT '', skew bigint,
    PRIMARY KEY (topic, partition)
);
ALTER TABLE alerting.positions ADD COLUMN IF NOT EXISTS mac text NOT NULL DEFAULT '';
-- How much has come of a subject in a window (its begin in seconds since the epoch)?
CREATE TABLE IF NOT EXISTS alerting.windows (
    rule text, subject text, start bigint, count bigint NOT NULL, PRIMARY KEY (rule, subject, start)
);
CREATE INDEX IF NOT EXISTS windows_start ON alerting.windows (start);
-- Which different things have come of a subject in a window?
CREATE TABLE IF NOT EXISTS alerting.items (
    rule text, subject text, start bigint, item text, PRIMARY KEY (rule, subject, start, item)
);
CREATE INDEX IF NOT EXISTS items_start ON alerting.items (start);
-- Which principal has used which key?
CREATE TABLE IF NOT EXISTS alerting.pairs (principal text, key text, PRIMARY KEY (principal, key));
-- Which changes of key policies are not judged to the end? `document` is what the rules read of each (domain/alerts/unjudged).
CREATE TABLE IF NOT EXISTS alerting.unjudged (
    position bigint PRIMARY KEY, account text NOT NULL, document text NOT NULL, mac text NOT NULL
);
"""
KEPT_FOR = 30 * 86_400
"""Seconds for which windows are kept, by the records' own time: longer than any worker is behind."""
REMEMBERED = 100_000
"""Windows that are known to be full, and pairs that are known, in memory."""

Part = tuple[str, int]
"""(topic, partition): `events` or `decisions`, as the projections name them."""
Window = tuple[str, str, int]


class Elsewhere(Exception):
    """Another worker has judged these records meanwhile."""


class Changed(Exception):
    """Somebody else wrote a position. The process ends: at its next start everything is judged anew (`prepare`)."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a partition is judged."""

    next: int = 0
    digest: str = ""
    skew: int | None = None


class _Known:
    """Names that need not be asked of the database again."""

    def __init__(self) -> None:
        self._names: OrderedDict[Any, None] = OrderedDict()

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def add(self, names: Iterable[Any]) -> None:
        self._names.update(dict.fromkeys(names))
        while len(self._names) > REMEMBERED:
            self._names.popitem(last=False)


async def prepare(pool: Pool, keys: Keyring, name: str) -> None:
    """Make the tables. Those of another log (`name` is the log's id) are emptied, and those whose positions Keytrail did not
    write: everything is judged anew then, and an alert that was raised before is raised again under its name."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(1802661490)")
        await connection.execute(_TABLES)
        rows = await connection.fetch("SELECT topic, partition, next, digest, skew, mac FROM alerting.positions")
        ours = all(keys.holds(row["mac"], POSITION, *_fields(tuple(row)[:-1])) for row in rows)
        if not ours:
            log.error("positions were changed by somebody else; everything is judged anew")
        if not ours or await connection.fetchval("SELECT log FROM alerting.origin") != name:
            await connection.execute(
                "TRUNCATE alerting.origin, alerting.positions, alerting.windows, alerting.items, alerting.pairs, "
                "alerting.unjudged"
            )
            await connection.execute("INSERT INTO alerting.origin VALUES ($1)", name)


def _fields(row: Sequence[Any]) -> tuple[str, ...]:
    return ("alerting", *map(str, row))


async def reached(pool: Pool) -> dict[Part, Reached]:
    """Every partition that was judged of."""
    rows = await pool.fetch("SELECT topic, partition, next, digest, skew FROM alerting.positions")
    return {(row["topic"], row["partition"]): Reached(row["next"], row["digest"], row["skew"]) for row in rows}


async def locked(connection: Connection, keys: Keyring, part: Part) -> Reached:
    """How far a partition is judged; nobody else moves it until the transaction ends. Raises Changed."""
    mac = keys.mac(POSITION, *_fields((*part, 0, "", None)))
    await connection.execute(
        "INSERT INTO alerting.positions (topic, partition, next, mac) VALUES ($1, $2, 0, $3) ON CONFLICT DO NOTHING",
        *part,
        mac,
    )
    row = await connection.fetchrow(
        "SELECT next, digest, skew, mac FROM alerting.positions WHERE topic = $1 AND partition = $2 FOR UPDATE", *part
    )
    assert row is not None, "the row was made"
    if not keys.holds(row["mac"], POSITION, *_fields((*part, row["next"], row["digest"], row["skew"]))):
        raise Changed(f"the position of {part[0]}/{part[1]} was changed by somebody else")
    return Reached(row["next"], row["digest"], row["skew"])


async def move(connection: Connection, keys: Keyring, part: Part, to: Reached) -> None:
    row = (*part, to.next, to.digest, to.skew)
    await connection.execute(
        "UPDATE alerting.positions SET next = $3, digest = $4, skew = $5, mac = $6 WHERE topic = $1 AND partition = $2",
        *row,
        keys.mac(POSITION, *_fields(row)),
    )


async def put_off(connection: Connection, keys: Keyring, account: str, document: dict[str, Any]) -> None:
    """Have a change judged to the end later; it is kept with the position that has passed it."""
    row = (document["position"], account, orjson.dumps(document).decode())
    await connection.execute(
        "INSERT INTO alerting.unjudged VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        *row,
        keys.mac(POSITION, *_fields(("unjudged", *row))),
    )


async def oldest_unjudged(
    connection: Connection, keys: Keyring, without: Sequence[str]
) -> tuple[str, int, dict[str, Any] | None] | None:
    """(account, position, document) of the oldest that nobody judges now, of other accounts than these; it is ours until
    the transaction ends. The document is None where somebody else than Keytrail wrote it."""
    row = await connection.fetchrow(
        "SELECT position, account, document, mac FROM alerting.unjudged WHERE account <> ALL($1::text[]) "
        "ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED",
        list(without),
    )
    if row is None:
        return None
    ours = keys.holds(row["mac"], POSITION, *_fields(("unjudged", *tuple(row)[:-1])))
    return row["account"], row["position"], orjson.loads(row["document"]) if ours else None


async def judged(connection: Connection, position: int) -> None:
    await connection.execute("DELETE FROM alerting.unjudged WHERE position = $1", position)


class Counts:
    """One stream's counting, one transaction at a time. Rows are taken in order, so that two workers wait and never lock
    each other out."""

    def __init__(self) -> None:
        self._full, self._pairs = _Known(), _Known()
        self._new_full: list[Window] = []
        self._new_pairs: list[tuple[str, str]] = []

    def committed(self) -> None:
        """What the transaction wrote counts now."""
        self._full.add(self._new_full)
        self._pairs.add(self._new_pairs)
        self.dropped()

    def dropped(self) -> None:
        """The transaction was not committed."""
        self._new_full, self._new_pairs = [], []

    async def add(self, connection: Connection, found: Sequence[Candidate]) -> list[Window]:
        """Count them; the windows that have enough with them and had not before."""
        counted: Counter[Window] = Counter()
        thresholds: dict[Window, int] = {}
        items: dict[tuple[str, str, int, str], None] = {}
        for each in found:
            name = each.window_of
            if name in self._full:
                continue
            thresholds[name] = each.threshold
            if each.item:
                items[(*name, each.item)] = None
            else:
                counted[name] += 1
        if items:
            new = await connection.fetch(_ITEMS, *_columns(sorted(items), 4))
            for row in new:
                counted[row["rule"], row["subject"], row["start"]] += 1
        if not counted:
            return []
        names = sorted(counted)
        rows = await connection.fetch(_WINDOWS, *_columns(names, 3), [counted[name] for name in names])
        crossed = []
        for row in rows:
            name = (row["rule"], row["subject"], row["start"])
            if row["count"] >= thresholds[name]:
                self._new_full.append(name)
                if row["count"] - counted[name] < thresholds[name]:
                    crossed.append(name)
        return crossed

    async def new(self, connection: Connection, found: Sequence[Pair]) -> list[Pair]:
        """The pairs that never came before."""
        asked = {
            (each.principal, each.key): each
            for each in reversed(found)
            if (each.principal, each.key) not in self._pairs
        }
        if not asked:
            return []
        rows = await connection.fetch(_PAIRS, *_columns(sorted(asked), 2))
        self._new_pairs += asked
        return [asked[row["principal"], row["key"]] for row in rows]


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[at] for row in rows] for at in range(width)]


_ITEMS = """
INSERT INTO alerting.items SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
ON CONFLICT DO NOTHING RETURNING rule, subject, start
"""
_WINDOWS = """
INSERT INTO alerting.windows SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
ON CONFLICT (rule, subject, start) DO UPDATE SET count = windows.count + excluded.count
RETURNING rule, subject, start, count
"""
_PAIRS = """
INSERT INTO alerting.pairs SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING RETURNING principal, key
"""


async def forget(pool: Pool, before: int) -> None:
    """Windows that began before (seconds since the epoch)."""
    await pool.execute("DELETE FROM alerting.windows WHERE start < $1", before)
    await pool.execute("DELETE FROM alerting.items WHERE start < $1", before)
