"""Which leaf a record is, in Postgres: where the runs of each batch begin in the tree.

Nothing is decided by these rows: a reader compares the leaf itself. If all of them are lost, the notary makes them again at its
next start, from the topic of batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from asyncpg import DataError, PLPGSQLError, SyntaxOrAccessError, UndefinedTableError

from domain.log.authenticity import LEAF_ORDER, Keyring
from domain.transparency.leaves import LeafPlace
from domain.transparency.order import LeafBatch, LeafOrder, order_from
from services.adapters.postgres import Pool, make

_TABLE = """
CREATE SCHEMA IF NOT EXISTS transparency;
CREATE TABLE IF NOT EXISTS transparency.runs (
    kind text NOT NULL,
    partition int NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    leaf bigint NOT NULL,
    voids bigint[] NOT NULL,
    PRIMARY KEY (kind, partition, first)
);
CREATE INDEX IF NOT EXISTS runs_leaf ON transparency.runs (leaf);
CREATE TABLE IF NOT EXISTS transparency.reached (
    one bool PRIMARY KEY DEFAULT true CHECK (one), document text NOT NULL, mac text NOT NULL
)
"""
_REACHED = (
    "INSERT INTO transparency.reached (document, mac) VALUES ($1, $2) "
    "ON CONFLICT (one) DO UPDATE SET document = excluded.document, mac = excluded.mac"
)
_INSERT = "INSERT INTO transparency.runs VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"


async def prepare(pool: Pool) -> None:
    """Raises Postgres's errors."""
    await make(pool, _TABLE)


async def reached(pool: Pool) -> int:
    """The leaves up to this number have their rows, unless somebody removed some. Raises Postgres's errors."""
    return int(await pool.fetchval("SELECT coalesce(max(leaf), 0) FROM transparency.runs"))


async def keep_order(pool: Pool, keys: Keyring, under: str, order: LeafOrder) -> None:
    """Keep how far the topic of batches was read, under the key that is in force. Raises Postgres's errors."""
    document = json.dumps(order.document())
    await pool.execute(_REACHED, document, keys.mac(LEAF_ORDER, document, under=under))


async def kept_order(pool: Pool, keys: Keyring, under: str) -> LeafOrder:
    """How far the topic of batches was read; from its beginning, if nothing is kept or somebody else wrote it. An older row that
    somebody put back is true as well: more is read then. Raises Postgres's errors."""
    row = await pool.fetchrow("SELECT document, mac FROM transparency.reached")
    if row is None or not keys.holds(row["mac"], LEAF_ORDER, row["document"], under=under):
        return LeafOrder()
    return order_from(json.loads(row["document"]))


async def stated(pool: Pool) -> LeafOrder:
    """How far the row says that the topic of batches was read, whoever wrote it: for somebody who looks, not to decide by. Raises
    Postgres's errors."""
    try:
        document = await pool.fetchval("SELECT document FROM transparency.reached")
        return LeafOrder() if document is None else order_from(json.loads(document))
    except (UndefinedTableError, ValueError, LookupError, TypeError):
        return LeafOrder()


async def keep(pool: Pool, batches: Iterable[LeafBatch]) -> None:
    """Keeping a batch twice changes nothing. Raises Postgres's errors."""
    await pool.executemany(_INSERT, [row for batch in batches for row in rows_of(batch)])


class RunRow(NamedTuple):
    """A row of the table: the record at position `first` is number `leaf` of the tree."""

    kind: str
    partition: int
    first: int
    last: int
    leaf: int
    voids: tuple[int, ...]


def rows_of(batch: LeafBatch) -> list[RunRow]:
    found, leaf = [], batch.first
    for run in batch.runs:
        found.append(RunRow(run.kind, run.partition, run.first, run.last, leaf, run.voids))
        leaf += run.leaves
    return found


async def between(pool: Pool, first: int, size: int) -> set[RunRow]:
    """The rows whose first leaf is of this span; none if the table is gone or has other columns. Raises Postgres's other
    errors."""
    try:
        rows = await pool.fetch(
            "SELECT kind, partition, first, last, leaf, voids FROM transparency.runs WHERE leaf >= $1 AND leaf < $2",
            first,
            size,
        )
    except (SyntaxOrAccessError, DataError, PLPGSQLError):  # the last: somebody's function, behind a view
        return set()
    return {_run_row(each) for each in rows}


def _run_row(row: Any) -> RunRow:
    """A row that nobody could have written for a run is one of no topic."""
    match tuple(row):
        case (str(kind), int(part), int(first), int(last), int(leaf), [*voids]) if all(
            isinstance(each, int) for each in voids
        ):
            return RunRow(kind, part, first, last, leaf, tuple(voids))
    return RunRow("?", -1, 0, 0, -1, ())


_TAKEN = """
SELECT coalesce(bool_and(asked.position < coalesce(newest.last, 0)), true)
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS asked(kind, partition, position)
LEFT JOIN LATERAL (
    SELECT last FROM transparency.runs
    WHERE kind = asked.kind AND partition = asked.partition ORDER BY first DESC LIMIT 1
) newest ON true
"""


async def are_taken(pool: Pool, places: Sequence[LeafPlace]) -> bool:
    """Whether it is known of each of these records if it is a leaf. Raises Postgres's errors."""
    return bool(await pool.fetchval(_TAKEN, *_columns(places)))


_LEAVES = """
SELECT asked.kind, asked.partition, asked.position, runs.first, runs.last, runs.leaf, runs.voids
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS asked(kind, partition, position)
CROSS JOIN LATERAL (
    SELECT first, last, leaf, voids FROM transparency.runs
    WHERE kind = asked.kind AND partition = asked.partition AND first <= asked.position ORDER BY first DESC LIMIT 1
) runs
WHERE asked.position < runs.last AND NOT asked.position = ANY(runs.voids)
"""


async def leaves_of(pool: Pool, places: Sequence[LeafPlace]) -> dict[LeafPlace, int]:
    """The numbers of the records' leaves, without the records that have none, or none yet. Raises Postgres's errors."""
    rows = await pool.fetch(_LEAVES, *_columns(places))
    return {
        LeafPlace(kind, partition, position): leaf + position - first - sum(each < position for each in voids)
        for kind, partition, position, first, _, leaf, voids in rows
    }


def _columns(places: Sequence[LeafPlace]) -> tuple[list[str], list[int], list[int]]:
    """As a query takes them: kinds, partitions, positions."""
    return [each.kind for each in places], [each.partition for each in places], [each.position for each in places]
