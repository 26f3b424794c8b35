"""Reads hashes of subtrees from a published tree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.ports import TileStore
from domain.transparency.merkle import HASH_LENGTH, LeafSpan
from domain.transparency.tiles import TileName, span_hash, tiles_of


async def span_hashes(store: TileStore, spans: Sequence[LeafSpan], size: int) -> list[bytes]:
    """The hashes of subtrees of the tree of `size` leaves. Raises TileMissing, Unavailable."""
    names = tiles_of(spans, size)
    tiles = dict(zip(names, await asyncio.gather(*(_tile(store, each) for each in names)), strict=True))
    return [span_hash(each, size, tiles) for each in spans]


async def _tile(store: TileStore, name: TileName) -> bytes:
    """A tile that has become full since the checkpoint is there as a whole."""
    found = await store.read(name.path)
    if found is None:
        whole = await store.read(TileName(name.level, name.index).path) or b""
        found = whole[: name.width * HASH_LENGTH]
    return found
