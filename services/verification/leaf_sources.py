"""Where a leaf can be read: made again from its record on a topic, or as it was published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from domain.ports import Stored, TileStore
from domain.transparency.leaves import LeafPlace, entry_of
from domain.transparency.order import LeafRun
from domain.transparency.tiles import WIDTH, TileName
from services.adapters.kafka import KafkaReader
from services.notary.publisher import unbundled
from services.settings import Settings

READ = 1_000


class PartitionRecords:
    """The records of one partition, read once, in order. `begin` and `end`: the first offset that is still there, and the one
    after the last."""

    def __init__(self, settings: Settings, topic: str, partition: int, begin: int, end: int) -> None:
        self._settings, self._topic, self._partition = settings, topic, partition
        self.begin, self.end = begin, end
        self._next = begin
        self._values: Sequence[Stored] = ()
        self._reader: KafkaReader | None = None

    async def of(self, run: LeafRun) -> AsyncGenerator[Sequence[Stored], None]:
        """Those of a run that are there. Raises OutOfRange, Unavailable."""
        last = min(run.last, self.end)
        while True:
            taken = [each for each in self._values if each.offset < last]
            self._values = self._values[len(taken) :]
            yield taken
            if self._values or self._next >= last:
                return
            if self._reader is None:
                self._next = max(self.begin, run.first)
                self._reader = await KafkaReader(self._settings, self._topic, self._partition).open(self._next)
            self._values = await self._reader.read(READ)
            self._next = self._values[-1].offset + 1

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()


def entries_of(run: LeafRun, values: Sequence[Stored], at: int) -> tuple[list[bytes | None], list[Stored], int]:
    """The entries of a run's leaves, from position `at` up to the last of these values; None for a record that is not there.
    Also the values that the run calls void, and the position after the last."""
    void, entries, voids = set(run.voids), list[bytes | None](), list[Stored]()
    for each in values:
        entries += [None for position in range(at, each.offset) if position not in void]
        if each.offset in void:
            voids.append(each)
        else:
            entries.append(entry_of(LeafPlace(run.kind, run.partition, each.offset), each.value))
        at = each.offset + 1
    return entries, voids, at


class PublishedLeaves:
    """The tiles and entries of the tree of `size` leaves, as they are published. While they are read the tree may grow: then a
    full tile has taken the place of its part."""

    def __init__(self, store: TileStore, size: int) -> None:
        self._store, self.size = store, size

    async def entries(self, first: int, last: int) -> list[bytes] | None:
        """Those of some leaves; None if not all are there. Raises Unavailable."""
        if last > self.size:
            return None
        found: list[bytes] = []
        for index in range(first // WIDTH, -(-last // WIDTH)):
            width = min(WIDTH, self.size - index * WIDTH)
            content = await self._read(TileName(0, index, width).entries_path, TileName(0, index).entries_path)
            held = unbundled(content or b"")[:width]
            if len(held) != width:
                return None
            found += held
        skipped = first % WIDTH
        return found[skipped : skipped + last - first]

    async def differing(self, wanted: Sequence[tuple[str, str, bytes]]) -> list[str]:
        """The paths of those contents, each with the path that it has once its tile is full, that are not published so. Raises
        Unavailable."""
        found = await asyncio.gather(*(self._read(path, full) for path, full, _ in wanted))
        return [
            path
            for (path, _, content), held in zip(wanted, found, strict=True)
            if held is None or held[: len(content)] != content
        ]

    async def _read(self, path: str, full: str) -> bytes | None:
        found = await self._store.read(path)
        return await self._store.read(full) if found is None and path != full else found
