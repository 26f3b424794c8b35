"""The Merkle tree of RFC 6962 (section 2.1): its hashes, its proofs, and how a proof is checked.

A proof names subtrees as spans of leaves. Whoever holds the tree looks up the hash of each span (tiles.py), so that what a
proof consists of is decided here and where hashes are stored is not. Proofs are checked as RFC 9162 describes it (sections
2.1.3.2 and 2.1.4.2), whose trees are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

HASH_LENGTH = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

LeafSpan = tuple[int, int]
"""The leaves from the first number up to, and without, the second."""


class ProofRefused(Exception):
    """A proof does not show what it was given for. The message says which part does not fit."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def split(count: int) -> int:
    """How many of `count` leaves (at least 2) are in the left subtree: the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def perfect_spans(span: LeafSpan) -> Iterator[LeafSpan]:
    """The perfect subtrees, from left to right, that a subtree's span consists of."""
    first, last = span
    while first < last:
        width = 1 << (last - first).bit_length() - 1
        yield first, first + width
        first += width


def folded(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees of falling size, from left to right."""
    if not hashes:
        return EMPTY_ROOT
    *left, root = hashes
    for each in reversed(left):
        root = node_hash(each, root)
    return root


def inclusion_spans(index: int, size: int) -> list[LeafSpan]:
    """The subtrees whose hashes show that a leaf is in a tree of `size` leaves: PATH, from the leaf's sibling to the root's
    child (RFC 6962, section 2.1.1). Raises ValueError."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    first, last = 0, size
    found: list[LeafSpan] = []
    while last - first > 1:
        middle = first + split(last - first)
        if index < middle:
            found.append((middle, last))
            last = middle
        else:
            found.append((first, middle))
            first = middle
    return found[::-1]


def consistency_spans(old: int, new: int) -> list[LeafSpan]:
    """The subtrees whose hashes show that a tree of `new` leaves begins with the tree of its first `old`: PROOF (RFC 6962,
    section 2.1.2). Nothing for an empty tree or the same tree. Raises ValueError."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not begin with {old}")
    if old in (0, new):
        return []
    first, last, whole = 0, new, True
    found: list[LeafSpan] = []
    while old != last:
        middle = first + split(last - first)
        if old <= middle:
            found.append((middle, last))
            last = middle
        else:
            found.append((first, middle))
            first, whole = middle, False
    if not whole:
        found.append((first, last))
    return found[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Whether the leaf with this hash is number `index` of the tree with this root. Raises ProofRefused."""
    if not 0 <= index < size:
        raise ProofRefused(f"a tree of {size} leaves has no leaf {index}")
    node, last, found = index, size - 1, leaf
    for each in path:
        if last == 0:
            raise ProofRefused("the inclusion proof is too long")
        if node & 1 or node == last:
            found = node_hash(each, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, each)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofRefused("the inclusion proof is too short")
    if found != root:
        raise ProofRefused("the inclusion proof leads to another root")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Whether the tree of `new` leaves begins with the tree of `old`. Raises ProofRefused."""
    if not 0 <= old <= new:
        raise ProofRefused(f"a tree of {new} leaves does not begin with {old}")
    if old == 0 and old_root != EMPTY_ROOT:
        raise ProofRefused("an empty tree has another root")
    if old in (0, new):
        if path:
            raise ProofRefused("the consistency proof is too long")
        if old == new and old_root != new_root:
            raise ProofRefused("two trees of one size have different roots")
        return
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise ProofRefused("the consistency proof is too short")
    old_found = new_found = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            raise ProofRefused("the consistency proof is too long")
        if node & 1 or node == last:
            old_found, new_found = node_hash(each, old_found), node_hash(each, new_found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_found = node_hash(new_found, each)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofRefused("the consistency proof is too short")
    if old_found != old_root:
        raise ProofRefused("the consistency proof leads to another root of the older tree")
    if new_found != new_root:
        raise ProofRefused("the consistency proof leads to another root of the newer tree")
