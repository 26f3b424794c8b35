"""The tree of the transparency log against the recursive definitions of RFC 6962, and its tiles against C2SP tlog-tiles."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.transparency.merkle import (
    EMPTY_ROOT,
    ProofRefused,
    check_consistency,
    check_inclusion,
    consistency_spans,
    inclusion_spans,
    leaf_hash,
)
from domain.transparency.tiles import (
    TileMissing,
    TileName,
    TreeEdge,
    bundle,
    edge_from,
    edge_names,
    root_of_tiles,
    span_hash,
    tiles_of,
)

SIZES = st.one_of(st.integers(0, 40), st.integers(0, 700), st.sampled_from([255, 256, 257, 511, 512, 513]))


def entry(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def largest_power_below(count: int) -> int:
    found = 1
    while found * 2 < count:
        found *= 2
    return found


def mth(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = largest_power_below(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1."""
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m: int, entries: list[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962, section 2.1.2: SUBPROOF."""
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*proof(m, entries[:k], whole=whole), mth(entries[k:])]
    return [*proof(m - k, entries[k:], whole=False), mth(entries[:k])]


class StoredTree:
    """A tree as a notary leaves it: every tile of every batch."""

    def __init__(self, *sizes: int) -> None:
        self.tiles: dict[TileName, bytes] = {}
        self.edge = TreeEdge()
        for size in sizes:
            self.tiles.update(self.edge.add(leaf_hash(entry(each)) for each in range(self.edge.size, size)))
            self.tiles.update(self.edge.partial())

    def hashes(self, spans: list[tuple[int, int]]) -> list[bytes]:
        size = self.edge.size
        read = {name: self.tiles[name] for name in tiles_of(spans, size)}
        return [span_hash(each, size, read) for each in spans]


@given(SIZES, st.data())
def test_roots_and_proofs_are_those_of_the_recursive_definition(size: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(0, size), "an earlier batch's end")
    entries = [entry(each) for each in range(size)]
    tree = StoredTree(before, size)
    root = mth(entries)
    assert tree.edge.root() == root == root_of_tiles(size, tree.tiles)
    if size:
        index = data.draw(st.integers(0, size - 1), "leaf")
        shown = tree.hashes(inclusion_spans(index, size))
        assert shown == path(index, entries)
        check_inclusion(leaf_hash(entries[index]), index, size, shown, root)
    shown = tree.hashes(consistency_spans(before, size))
    assert shown == (proof(before, entries) if before else [])
    check_consistency(before, mth(entries[:before]), size, root, shown)


@given(st.integers(1, 600), st.data())
def test_a_changed_proof_is_refused(size: int, data: st.DataObject) -> None:
    """Every change of one byte of a hash, of a number by one, and of a length."""
    entries = [entry(each) for each in range(size)]
    tree, root = StoredTree(size), mth(entries)
    index = data.draw(st.integers(0, size - 1), "leaf")
    leaf, shown = leaf_hash(entries[index]), tree.hashes(inclusion_spans(index, size))
    for changed in changed_once(data, [leaf, *shown, root]):
        with pytest.raises(ProofRefused):
            check_inclusion(changed[0], index, size, changed[1:-1], changed[-1])
    for wrong in ([*shown, root], shown[:-1] if shown else [root]):
        with pytest.raises(ProofRefused):
            check_inclusion(leaf, index, size, wrong, root)
    for other in {index - 1, index + 1, size + 1} - {index}:
        with pytest.raises(ProofRefused):
            check_inclusion(leaf, other, size, shown, root)


@given(st.integers(1, 600), st.data())
def test_a_changed_consistency_proof_is_refused(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size), "older size")
    entries = [entry(each) for each in range(size)]
    shown, old_root, root = StoredTree(size).hashes(consistency_spans(old, size)), mth(entries[:old]), mth(entries)
    for changed in changed_once(data, [old_root, *shown, root]):
        with pytest.raises(ProofRefused):
            check_consistency(old, changed[0], size, changed[-1], changed[1:-1])
    with pytest.raises(ProofRefused):
        check_consistency(old, old_root, size, root, [*shown, root])
    if shown:
        with pytest.raises(ProofRefused):
            check_consistency(old, old_root, size, root, shown[:-1])
    with pytest.raises(ProofRefused):
        check_consistency(size + 1, root, size, root, [])


def changed_once(data: st.DataObject, hashes: list[bytes]) -> list[list[bytes]]:
    """Each of the hashes in turn with one byte changed."""
    found = []
    for number, each in enumerate(hashes):
        at, by = data.draw(st.tuples(st.integers(0, 31), st.integers(1, 255)), "byte, change")
        changed = each[:at] + bytes([each[at] ^ by]) + each[at + 1 :]
        found.append([*hashes[:number], changed, *hashes[number + 1 :]])
    return found


def test_an_empty_tree_has_only_the_empty_root() -> None:
    check_consistency(0, EMPTY_ROOT, 3, mth([b"a", b"b", b"c"]), [])
    for root, shown in ((b"\0" * 32, []), (EMPTY_ROOT, [EMPTY_ROOT])):
        with pytest.raises(ProofRefused):
            check_consistency(0, root, 3, mth([b"a", b"b", b"c"]), shown)
    refused: list[Callable[[], object]] = [lambda: inclusion_spans(3, 3), lambda: consistency_spans(4, 3)]
    for wrong in refused:
        with pytest.raises(ValueError, match="a tree of 3 leaves"):
            wrong()


@given(SIZES, st.data())
def test_a_tree_goes_on_from_what_is_stored(size: int, data: st.DataObject) -> None:
    """After a crash, the edge is read from tiles: the tree of one go and the tree of two have the same tiles and root."""
    before = data.draw(st.integers(0, size), "the size at the crash")
    tree = StoredTree(before)
    tree.edge = edge_from(before, lambda name: tree.tiles[name])
    tree.tiles.update(tree.edge.add(leaf_hash(entry(each)) for each in range(before, size)))
    tree.tiles.update(tree.edge.partial())
    assert (tree.edge.size, tree.edge.root()) == (size, mth([entry(each) for each in range(size)]))
    assert {name: tree.tiles[name] for name in edge_names(size)} == dict(tree.edge.partial())


def test_a_tile_that_is_missing_or_short_is_named() -> None:
    tree = StoredTree(300)
    name = TileName(0, 1, 44)
    with pytest.raises(TileMissing, match=r"tile/0/001\.p/44"):
        root_of_tiles(300, {each: tile for each, tile in tree.tiles.items() if each != name})
    with pytest.raises(TileMissing, match=r"tile/0/001\.p/44"):
        edge_from(300, lambda each: tree.tiles[each][:-1] if each == name else tree.tiles[each])


def test_names_are_those_of_the_specification() -> None:
    """Its examples: an index of seven digits, and a tree of 70,000 leaves."""
    assert TileName(3, 1_234_067).path == "tile/3/x001/x234/067"
    assert TileName(0, 0, 112).path == "tile/0/000.p/112"
    assert TileName(0, 273, 112).entries_path == "tile/entries/273.p/112"
    tree = StoredTree(70_000)
    assert sorted(tree.tiles) == [
        *(TileName(0, each) for each in range(273)),
        TileName(0, 273, 112),
        TileName(1, 0),
        TileName(1, 1, 17),
        TileName(2, 0, 1),
    ]
    assert tree.edge.root() == mth([entry(each) for each in range(70_000)]) == root_of_tiles(70_000, tree.tiles)
    assert sorted(StoredTree(256).tiles) == [TileName(0, 0), TileName(1, 0, 1)]


def test_a_bundle_has_each_entry_after_its_length() -> None:
    assert bundle([b"abc", b""]) == b"\0\3abc\0\0"
