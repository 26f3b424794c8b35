"""Reads hashes of subtrees from a published tree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.ports import TileStore
from domain.transparency.merkle import HASH_LENGTH, LeafSpan, folded, perfect_spans
from domain.transparency.tiles import WIDTH, TileMissing, TileName, node_in, node_place, tile_nodes, tiles_of

KEPT_TILES = 512
"""Tiles above the leaves, and unfinished ones, whose hashes a reader keeps: 16 kB each. One of them is over 65,536 leaves."""


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
        self._kept: dict[TileName, list[bytes]] = {}

    async def of(self, spans: Sequence[LeafSpan]) -> list[bytes]:
        """Raises TileMissing, Unavailable."""
        names = tiles_of(spans, self.size)
        nodes = dict(zip(names, await asyncio.gather(*map(self._nodes, names)), strict=True))
        found = []
        for span in spans:
            places = [node_place(each, self.size) for each in perfect_spans(span)]
            found.append(folded([node_in(nodes[name], height, number) for name, height, number in places]))
        return found

    async def _nodes(self, name: TileName) -> list[bytes]:
        found = self._kept.get(name)
        if found is None:
            tile = await tile_of(self._store, name)
            if len(tile) != name.width * HASH_LENGTH:
                raise TileMissing(name.path)
            found = tile_nodes(tile)
            if name.level > 0 or name.width < WIDTH:  # the tree's last tiles are in every proof
                if len(self._kept) >= KEPT_TILES:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[name] = found
        return found
