"""Compares the decisions in Postgres with the leaves of the transparency log: each leaf of `events` and `decisions` has one row,
and each row is that of a leaf.

Which records are leaves, the topic of batches says, whose records carry a MAC; rows of Postgres are not asked. A leaf without a
row is either a row that was removed, or a copy of a decision: a copy has a leaf, since its place is another, and no row. What
is on the topics but not notarised or not projected yet is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.log.authenticity import DECISIONS, EVENTS
from domain.transparency.leaf_extents import LeafExtent
from domain.transparency.order import LeafPartition
from projections.decisions import places, queries
from projections.decisions.project import ON_LOG
from projections.log.schema import AskedLog

NAMED = 20
"""How many differences are named; all are counted."""
BLOCKS_AT_ONCE = 16
"""Of how many blocks the rows are in memory at a time."""


@dataclass(slots=True)
class LeafDifferences:
    """`compared`: the leaves that have to have a row. `not_leaves`: rows whose record is no leaf, or that are there twice.
    `without_row`: leaves that have none. `named`: the first of both, in words."""

    compared: int = 0
    not_leaves: int = 0
    without_row: int = 0
    named: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.not_leaves or self.without_row)

    def _name(self, what: str) -> None:
        if len(self.named) < NAMED:
            self.named.append(what)

    def take(self, origin: int, rows: Counter[int], leaves: set[int]) -> None:
        where = f"{EVENTS} 0" if origin == ON_LOG else f"{DECISIONS} {origin}"
        for record, count in sorted(rows.items()):
            surplus = count - (record in leaves)
            if surplus:
                self.not_leaves += surplus
                self._name(f"the row of {where}@{record} " + ("is there twice" if record in leaves else "is no leaf"))
        for record in sorted(leaves - rows.keys()):
            self.without_row += 1
            self._name(f"the leaf of {where}@{record} has no row")


@dataclass(frozen=True, slots=True)
class _Compared:
    """One partition: its leaves, and the position up to which records have rows."""

    leaves: LeafExtent
    projected: int

    def expected(self, block: int) -> tuple[int, int]:
        """Between which positions of a block every leaf has to have a row."""
        first, last = block << places.BLOCK_BITS, block + 1 << places.BLOCK_BITS
        return max(first, self.leaves.first), min(last, self.leaves.last, self.projected)

    @property
    def blocks(self) -> range:
        first, last = self.leaves.first, min(self.leaves.last, self.projected)
        return range(first >> places.BLOCK_BITS, (last - 1 >> places.BLOCK_BITS) + 1) if first < last else range(0)

    def is_as_expected(self, block: int, row: Any) -> bool:
        """Whether the counts of a block alone show that its rows are those of its leaves."""
        first, last = self.expected(block)
        if row["rows"] != row["places"] or self.leaves.voids_of(first, last):
            return False
        return bool(row["places"] == last - first and first <= row["first"] and row["last"] < last)

    def is_left_out(self, record: int) -> bool:
        """Whether the record may have a row and be no leaf: it was there before the first batch, or is not notarised yet."""
        return 0 <= record < self.leaves.first or self.leaves.last <= record < self.projected


async def differing_rows(log: AskedLog, leaves: Mapping[LeafPartition, LeafExtent]) -> LeafDifferences:
    """`log`: a snapshot that was taken before the leaves were read. Raises Postgres's errors."""
    found, wanted = LeafDifferences(), list[tuple[int, int]]()
    projected = {**await queries.reached_by_partition(log), ON_LOG: await queries.reached(log) + 1}
    compared = {
        origin: _Compared(leaves.get((EVENTS, 0) if origin == ON_LOG else (DECISIONS, origin), LeafExtent(0, 0)), end)
        for origin, end in projected.items()
    }
    counted = {(row["origin"], row["block"]): row for row in await places.blocks(log)}
    for origin, _ in counted:
        compared.setdefault(origin, _Compared(LeafExtent(0, 0), 0))
    for origin, each in compared.items():
        found.compared += sum(_count(each, block) for block in each.blocks)
        blocks = {*each.blocks, *(block for there, block in counted if there == origin)}
        wanted += [
            (origin, block)
            for block in sorted(blocks)
            if (origin, block) not in counted or not each.is_as_expected(block, counted[origin, block])
        ]
    for first in range(0, len(wanted), BLOCKS_AT_ONCE):
        some = wanted[first : first + BLOCKS_AT_ONCE]
        rows: dict[tuple[int, int], Counter[int]] = {each: Counter() for each in some}
        for row in await places.of_blocks(log, some):
            rows[row["origin"], row["record"] >> places.BLOCK_BITS][row["record"]] += 1
        for (origin, block), there in rows.items():
            each = compared[origin]
            seen = Counter({record: count for record, count in there.items() if not each.is_left_out(record)})
            found.take(origin, seen, each.leaves.positions(*each.expected(block)))
    return found


def _count(each: _Compared, block: int) -> int:
    first, last = each.expected(block)
    return last - first - len(each.leaves.voids_of(first, last))
