"""The tiles in which a transparency log stores its tree, and the tree's right edge, to which leaves are added.

Source: C2SP tlog-tiles. A tile has up to 256 hashes of one level. Each hash of level 0 is a leaf's; each hash of a higher level
is the root of a full tile of the level below. A tile that is not full yet is named with its width. Entry bundles are named like
tiles of level 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from domain.transparency.merkle import HASH_LENGTH, LeafSpan, folded, node_hash, perfect_spans

HEIGHT, WIDTH = 8, 256
"""A full tile's levels of hashes, and its hashes."""
ENTRIES = "entries"


class TileMissing(Exception):
    """A tile that the tree of this size has is not there, or it has another length. The message names its path."""


@dataclass(frozen=True, slots=True, order=True)
class TileName:
    """`width` is that of the hashes in it: 256 in a full tile."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        return f"tile/{self.level}/{_numbered(self.index)}{_partial(self.width)}"

    @property
    def entries_path(self) -> str:
        """The path of the entry bundle with the entries of a tile of level 0."""
        return f"tile/{ENTRIES}/{_numbered(self.index)}{_partial(self.width)}"


def _numbered(index: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    *above, last = (digits[start : start + 3] for start in range(0, len(digits), 3))
    return "/".join([*(f"x{each}" for each in above), last])


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"


def tile_with(level: int, index: int, size: int) -> TileName:
    """The tile that holds hash number `index` of a level, in a tree of `size` leaves."""
    number, hashes = index >> HEIGHT, size >> HEIGHT * level
    return TileName(level, number, min(WIDTH, hashes - (number << HEIGHT)))


def tiles_of(spans: Iterable[LeafSpan], size: int) -> list[TileName]:
    """The tiles that hold what the hashes of these subtrees of a tree are made of, in order."""
    found = {
        tile_with(level, first, size)
        for span in spans
        for each in perfect_spans(span)
        for level, first, _ in [_place(each)]
    }
    return sorted(found)


def span_hash(span: LeafSpan, size: int, tiles: Mapping[TileName, bytes]) -> bytes:
    """The hash of a subtree of a tree of `size` leaves. `tiles` holds `tiles_of` it. Raises TileMissing."""
    return folded([_perfect_hash(each, size, tiles) for each in perfect_spans(span)])


def root_of_tiles(size: int, tiles: Mapping[TileName, bytes]) -> bytes:
    """The root of a tree of `size` leaves. Raises TileMissing."""
    return span_hash((0, size), size, tiles)


def _place(perfect: LeafSpan) -> tuple[int, int, int]:
    """(level, number of the first hash in it, number of hashes) of a perfect subtree."""
    first, last = perfect
    height = (last - first).bit_length() - 1
    level = height // HEIGHT
    return level, first >> HEIGHT * level, 1 << height % HEIGHT


def _perfect_hash(perfect: LeafSpan, size: int, tiles: Mapping[TileName, bytes]) -> bytes:
    level, first, count = _place(perfect)
    name = tile_with(level, first, size)
    tile = tiles.get(name)
    if tile is None or len(tile) != name.width * HASH_LENGTH:
        raise TileMissing(name.path)
    start = (first & WIDTH - 1) * HASH_LENGTH
    return _perfect_root([tile[at : at + HASH_LENGTH] for at in range(start, start + count * HASH_LENGTH, HASH_LENGTH)])


def _perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a perfect subtree over these hashes, whose number is a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


@dataclass(slots=True)
class TreeEdge:
    """What a tree must remember so that leaves can be added: the hashes of each level's last tile, which is not full.

    Its memory is that of one tile a level: 72 kB for a tree of 2**64 leaves.
    """

    size: int = 0
    levels: list[list[bytes]] = field(default_factory=list)

    def add(self, leaves: Iterable[bytes]) -> Iterator[tuple[TileName, bytes]]:
        """Adds leaves by their hashes. Yields each tile that became full."""
        for leaf in leaves:
            level, full = 0, leaf
            while True:
                if level == len(self.levels):
                    self.levels.append([])
                last = self.levels[level]
                last.append(full)
                if len(last) < WIDTH:
                    break
                yield TileName(level, self.size >> HEIGHT * (level + 1)), b"".join(last)
                full = _perfect_root(last)
                last.clear()
                level += 1
            self.size += 1

    def partial(self) -> Iterator[tuple[TileName, bytes]]:
        """The last tile of each level, where it is not empty."""
        for level, hashes in enumerate(self.levels):
            if hashes:
                yield TileName(level, self.size >> HEIGHT * (level + 1), len(hashes)), b"".join(hashes)

    def root(self) -> bytes:
        found: list[bytes] = []
        for hashes in reversed(self.levels):
            found += [_perfect_root(hashes[first:last]) for first, last in perfect_spans((0, len(hashes)))]
        return folded(found)


def edge_names(size: int) -> list[TileName]:
    """The tiles that `edge_from` reads."""
    found = []
    for level in range(-(-size.bit_length() // HEIGHT)):
        hashes = size >> HEIGHT * level
        if hashes & WIDTH - 1:
            found.append(TileName(level, hashes >> HEIGHT, hashes & WIDTH - 1))
    return found


def edge_from(size: int, read: Callable[[TileName], bytes]) -> TreeEdge:
    """The edge of a stored tree. Raises TileMissing."""
    levels: list[list[bytes]] = [[] for _ in range(-(-size.bit_length() // HEIGHT))]
    for name in edge_names(size):
        tile = read(name)
        if len(tile) != name.width * HASH_LENGTH:
            raise TileMissing(name.path)
        levels[name.level] = [tile[at : at + HASH_LENGTH] for at in range(0, len(tile), HASH_LENGTH)]
    return TreeEdge(size, levels)


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in entries)


def tile_nodes(tile: bytes) -> list[bytes]:
    """Every hash of the perfect subtrees within a tile: those of each height in one text, for who needs several of one tile."""
    found = [tile]
    while len(found[-1]) > HASH_LENGTH:
        below = found[-1]
        pairs = range(0, len(below) - HASH_LENGTH, 2 * HASH_LENGTH)
        # `node_hash` of two hashes that stand beside each other, without taking them apart first: half of the time.
        found.append(b"".join([sha256(b"\1" + below[at : at + 2 * HASH_LENGTH]).digest() for at in pairs]))
    return found


def node_in(nodes: Sequence[bytes], height: int, number: int) -> bytes:
    """One of the hashes that `tile_nodes` found."""
    return nodes[height][number * HASH_LENGTH : (number + 1) * HASH_LENGTH]


def node_place(perfect: LeafSpan, size: int) -> tuple[TileName, int, int]:
    """(tile, height in it, number at that height) of a perfect subtree of a tree of `size` leaves."""
    level, first, count = _place(perfect)
    height = count.bit_length() - 1
    return tile_with(level, first, size), height, (first & WIDTH - 1) >> height
