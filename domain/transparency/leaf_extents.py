"""Which records of a partition are leaves, as the batches say in sum: all of a span but the void ones."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.transparency.order import LeafBatch, LeafPartition


@dataclass(slots=True)
class LeafExtent:
    """The records from position `first` up to, and without, `last`. `voids` are those without a leaf, in ascending order: 8 bytes
    each, since a stranger with the broker's password may have written millions."""

    first: int
    last: int
    voids: array[int] = field(default_factory=lambda: array("q"))

    def positions(self, first: int, last: int) -> set[int]:
        """Those of leaves between two positions."""
        first, last = max(first, self.first), min(last, self.last)
        return set(range(first, last)).difference(self.voids_of(first, last))

    def voids_of(self, first: int, last: int) -> array[int]:
        return self.voids[bisect_left(self.voids, first) : bisect_left(self.voids, last)]


def extents_of(batches: Iterable[LeafBatch], found: dict[LeafPartition, LeafExtent]) -> None:
    """Add further batches to what earlier ones said."""
    for batch in batches:
        for gap in batch.removed:
            extent = found.setdefault((gap.kind, gap.partition), LeafExtent(gap.first, gap.first))
            extent.last = gap.last
            extent.voids.extend(range(gap.first, gap.last))
        for run in batch.runs:
            extent = found.setdefault((run.kind, run.partition), LeafExtent(run.first, run.first))
            extent.last = run.last
            extent.voids.extend(run.voids)
