"""What has to be true of the rows that simulated projectors left: they are those that one undisturbed pass over the final topics makes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

from domain.log.chain import Chain
from domain.state.world import World
from projections.log.changes import Appends, Closes, InsertsOnce, TableChange, Upserts
from projections.log.entry import DECISIONS
from projections.registry import PROJECTIONS, Projection
from services.adapters.keyring import VaultKeyring
from services.adapters.record_topics import RECORD_KINDS
from services.projector.feed import Batch, EntryFeed
from services.projector.store import ReadTo
from tests.simulation.projection_statements import SHAPES, contents
from tests.simulation.projectors import ProjectingShared, SimulatedRecord, partitions_of

OWN = frozenset({"positions", "lanes", "anchors", "origin", "made"})
SAID = 3
"""How many wrong rows of a table are told."""
Columns = dict[str, Any]


class WholeTopics:
    """Port FollowedRecords: all that the topics hold, at once."""

    def __init__(self, shared: ProjectingShared) -> None:
        self.kinds: Collection[str] = RECORD_KINDS
        self._parts = partitions_of(shared.brokers, shared.partitions)

    async def open(self, begins: Mapping[Any, int], **options: Any) -> Mapping[Any, int]:
        return {}

    async def next(self, *_: Any) -> Sequence[tuple[str, Sequence[SimulatedRecord]]]:
        return [
            (kind, [SimulatedRecord(number, at, value) for at, value in enumerate(partition.values)])
            for (kind, number), partition in self._parts.items()
        ]

    async def left(self) -> Sequence[tuple[str, int]]:
        return []

    async def close(self) -> None:
        pass


def all_projected(shared: ProjectingShared) -> bool:
    """Whether every projection has read its topics to their ends, or a projector said that it cannot."""
    if shared.log_unknown:
        return True
    ends = {where: len(each.values) for where, each in partitions_of(shared.brokers, shared.partitions).items()}
    reached = shared.reached()
    return all(
        reached[projection.schema].get(where, 0) == end
        for projection in PROJECTIONS.values()
        for where, end in ends.items()
        if where[0] in projection.topics
    )


def projected(shared: ProjectingShared | None) -> Mapping[str, int]:
    """How many rows each table of a projection has."""
    if shared is None:
        return {}
    return {name: len(shared.tables.rows[name]) for name in SHAPES if name.partition(".")[2] not in OWN}


async def faults_of_projections(
    shared: ProjectingShared, keys: VaultKeyring, region: str, *, tail_lost: bool
) -> list[str]:
    """`tail_lost`: brokers lost records that may have been projected. Whoever projected them says so, and goes no further."""
    if shared.log_unknown:
        return [] if tail_lost else ["a projector does not know the log, and nothing was lost"]
    if not all_projected(shared):
        return [f"projections stand still at {shared.reached()}"]
    feed = EntryFeed(WholeTopics(shared), region, keys)
    await feed.open(ReadTo(), Chain(keys=keys))
    batch = await feed.next(0)
    wrong = [each for projection in PROJECTIONS.values() for each in _wrong_rows(shared, projection, batch)]
    return [*wrong, *_wrong_lanes(shared, batch), *(() if tail_lost else shared.faults)]


def _wrong_rows(shared: ProjectingShared, projection: Projection, batch: Batch) -> Iterator[str]:
    entries = [each for each in batch.entries if each.topic in projection.topics]
    made = rows_made(projection.changes(entries, None if projection.restore is None else World()))
    for table, rows in contents(shared.tables, projection.schema).items():
        if table in OWN:
            continue
        columns = SHAPES[f"{projection.schema}.{table}"].columns
        expected = Counter(repr([row.get(column) for column in columns]) for row in made[table])
        found = Counter(repr(list(row)) for row in rows)
        for what, each in (("has", found - expected), ("lacks", expected - found)):
            yield from (f"{table} {what} {count} times {row}" for row, count in list(each.items())[:SAID])


def rows_made(changes: Iterable[TableChange]) -> Mapping[str, list[Columns]]:
    """What the changes of one pass make of empty tables."""
    found: dict[str, list[Columns]] = defaultdict(list)
    for change in changes:
        match change:
            case Appends() | InsertsOnce():
                found[change.table] += [dict(zip(change.columns, row, strict=True)) for row in change.rows]
            case Upserts():
                found[change.table] += change.rows
            case Closes():
                pass  # of versions that were there before
            case _:
                assert_never(change)
    return found


def _wrong_lanes(shared: ProjectingShared, batch: Batch) -> Iterator[str]:
    """Lanes, and how far they are anchored, are kept by the projection that reads them, beside its positions."""
    schema = next(each.schema for each in PROJECTIONS.values() if DECISIONS in each.topics)
    rows = contents(shared.tables, schema)
    lanes = {(row[0], row[1]): tuple(row[2:5]) for row in rows["lanes"]}
    expected = {name: (each.number, each.digest, each.partition) for name, each in batch.reached.lanes.items()}
    if lanes != expected:
        yield f"lanes are kept as {lanes}, and reach {expected}"
    anchored = {(row[0], row[1]): row[2] for row in rows["anchors"]}
    if anchored != batch.reached.anchored:
        yield f"anchors are kept as {anchored}, and are {batch.reached.anchored}"
