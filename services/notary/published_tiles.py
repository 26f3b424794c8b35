"""Reads hashes of subtrees from a published tree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from domain.ports import TileStore, Unavailable
from domain.transparency.merkle import HASH_LENGTH, LeafSpan, folded, perfect_spans
from domain.transparency.tiles import TileMissing, TileName, node_in, node_place, tile_nodes

KEPT_ABOVE, KEPT_LEAVES = 512, 64
"""Tiles above the leaves, and tiles of leaves, whose hashes a reader keeps: 16 kB each. One above is over at least 65,536 leaves.
Records that were made one after another are in a few tiles of leaves, one for each partition."""


async def tile_of(store: TileStore, name: TileName) -> bytes:
    """A tile that has become full since the checkpoint is there as a whole. Raises Unavailable."""
    found = await store.read(name.path)
    if found is None:
        whole = await store.read(TileName(name.level, name.index).path) or b""
        found = whole[: name.width * HASH_LENGTH]
    return found


class TreeHashes:
    """The hashes of one published tree of `size` leaves, for many questions."""

    def __init__(self, store: TileStore, size: int) -> None:
        self._store, self.size = store, size
        self._above = _KeptTiles(KEPT_ABOVE)
        self._leaves = _KeptTiles(KEPT_LEAVES)

    async def of(self, spans: Sequence[LeafSpan]) -> list[bytes]:
        """Raises TileMissing, Unavailable."""
        places = [[node_place(each, self.size) for each in perfect_spans(span)] for span in spans]
        names = {name for of_span in places for name, _, _ in of_span}
        nodes = {name: found for name in names if (found := self._kept(name).at_hand(name)) is not None}
        wanted = [name for name in names if name not in nodes]
        if wanted:
            read = await asyncio.gather(*(self._kept(name).get(name, self._read) for name in wanted))
            nodes.update(zip(wanted, read, strict=True))
        return [folded([node_in(nodes[name], height, number) for name, height, number in each]) for each in places]

    def _kept(self, name: TileName) -> _KeptTiles:
        return self._above if name.level else self._leaves

    async def _read(self, name: TileName) -> list[bytes]:
        tile = await tile_of(self._store, name)
        if len(tile) != name.width * HASH_LENGTH:
            raise TileMissing(name.path)
        return tile_nodes(tile)


class _KeptTiles:
    """The tiles that were asked for last. Of many that ask for one at once, one reads it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[TileName, asyncio.Task[list[bytes]]] = {}

    def at_hand(self, name: TileName) -> list[bytes] | None:
        """What is read already."""
        task = self._kept.get(name)
        return task.result() if task is not None and task.done() and task.exception() is None else None

    async def get(self, name: TileName, read: Callable[[TileName], Coroutine[None, None, list[bytes]]]) -> list[bytes]:
        task = self._kept.pop(name, None) or asyncio.create_task(read(name))
        self._kept[name] = task
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        try:
            return await asyncio.shield(task)
        except (TileMissing, Unavailable):
            self._kept.pop(name, None)
            raise
