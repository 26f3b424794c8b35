"""The order of the leaves: which records became which leaves, batch by batch, as records of a topic of its own.

Rule of this file: **a batch counts if and only if it is authentic and its `previous` is the digest of the last batch before it
that counts**, as on `events` (domain/log/chain.py). So notaries that run by accident at the same time agree: whoever's batch
lands first has decided the next leaves, and the other's batch is void. A notary signs the root of a batch only after it read
the batch back as the last one that counts.

A batch takes, from each partition, the records from where the batch before ended up to a position. In this order they become
leaves: by the batch's list of spans, and within a span by position. Void records have no leaf; the batch names them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any

from domain.log.authenticity import ORDER, Keyring
from domain.log.authority import Authority
from domain.transparency.leaves import LeafPlace

BATCH_VERSION = 1
NO_BATCH = ""
"""`previous` of the first batch."""


class OrderBroken(Exception):
    """A batch that one of our notaries wrote does not go on from the batch before it. The message names the place."""


@dataclass(frozen=True, slots=True)
class LeafRun:
    """The records of one partition from position `first` up to, and without, `last`. `voids` are those without a leaf, in
    ascending order."""

    kind: str
    partition: int
    first: int
    last: int
    voids: tuple[int, ...] = ()

    @property
    def leaves(self) -> int:
        return self.last - self.first - len(self.voids)

    def places(self) -> Iterator[LeafPlace]:
        """Where the records of the leaves are, in the leaves' order."""
        void = set(self.voids)
        for position in range(self.first, self.last):
            if position not in void:
                yield LeafPlace(self.kind, self.partition, position)


@dataclass(frozen=True, slots=True)
class LeafBatch:
    """`first` leaves were in the tree before, `size` are in it afterwards, and `root` is its root then. `chain` is the digest of
    the last valid record of `events` among the leaves so far, and `authority` (a document) says what is authentic after it.
    `removed`: spans of records that went before they could be leaves, which an operator permitted to pass over."""

    at: str
    notary: str
    first: int
    runs: tuple[LeafRun, ...]
    root: bytes
    chain: str
    authority: Mapping[str, Any]
    removed: tuple[LeafRun, ...] = ()

    @property
    def size(self) -> int:
        return self.first + sum(each.leaves for each in self.runs)

    def body(self, log: str, previous: str) -> bytes:
        """The JSON to seal and append."""
        document = {
            "v": BATCH_VERSION,
            "log": log,
            "previous": previous,
            "at": self.at,
            "notary": self.notary,
            "first": self.first,
            "size": self.size,
            "root": self.root.hex(),
            "chain": self.chain,
            "authority": self.authority,
            "runs": [[each.kind, each.partition, each.first, each.last, list(each.voids)] for each in self.runs],
        }
        if self.removed:
            document["removed"] = [[each.kind, each.partition, each.first, each.last] for each in self.removed]
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def batch_from(document: Mapping[str, Any]) -> LeafBatch:
    """The inverse of `LeafBatch.body`. Raises OrderBroken."""
    if document["v"] != BATCH_VERSION:
        raise OrderBroken(f"a batch of version {document['v']!r}: a newer Keytrail wrote it")
    runs = tuple(LeafRun(kind, part, first, last, tuple(voids)) for kind, part, first, last, voids in document["runs"])
    found = LeafBatch(
        document["at"],
        document["notary"],
        document["first"],
        runs,
        bytes.fromhex(document["root"]),
        document["chain"],
        document["authority"],
        tuple(LeafRun(*each) for each in document.get("removed", ())),
    )
    if found.size != document["size"]:
        raise OrderBroken(f"the batch of {document['at']} has {found.size} leaves in all, and says {document['size']}")
    return found


LeafPartition = tuple[str, int]
"""(kind of topic, number)"""


@dataclass(slots=True)
class LeafOrder:
    """What the batches that count say in sum: the size of the tree and its root, and from where the next batch goes on.

    `head` is the digest of the last batch that counts, `position` its offset (-1: none).
    """

    head: str = NO_BATCH
    position: int = -1
    size: int = 0
    root: bytes = sha256(b"").digest()
    chain: str = ""
    authority: Mapping[str, Any] = field(default_factory=dict)
    next: dict[LeafPartition, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON, to go on from; `order_from` is the inverse."""
        return {
            "head": self.head,
            "position": self.position,
            "size": self.size,
            "root": self.root.hex(),
            "chain": self.chain,
            "authority": self.authority,
            "next": [[kind, number, position] for (kind, number), position in self.next.items()],
        }

    def accepts(
        self, keys: Keyring, authority: Authority, position: int, value: bytes, document: Mapping[str, Any]
    ) -> LeafBatch | None:
        """Take the batch at this position of the topic if it counts; None for any other value. `document` is the parsed value.
        Raises OrderBroken."""
        if document.get("previous") != self.head or position <= self.position:
            return None
        found = authority.digest_believed(keys, ORDER, 0, position, value)
        if found is None:
            return None
        batch = batch_from(document)
        self._require_onward(batch, position)
        self.head, self.position = found, position
        self.size, self.root, self.chain, self.authority = batch.size, batch.root, batch.chain, batch.authority
        self.next |= {(each.kind, each.partition): each.last for each in (*batch.removed, *batch.runs)}
        return batch

    def _require_onward(self, batch: LeafBatch, position: int) -> None:
        """Raises OrderBroken. A gap or an overlap would be a leaf that is missing or there twice."""
        if batch.first != self.size:
            raise OrderBroken(f"the batch at @{position} begins at leaf {batch.first}, and the tree has {self.size}")
        taken = dict(self.next)
        for each in (*batch.removed, *batch.runs):
            # Records may have been removed from a topic before its first batch, but not between two batches.
            begins = taken.get((each.kind, each.partition), each.first)
            if each.first != begins or each.last <= each.first:
                raise OrderBroken(
                    f"the batch at @{position} takes {each.kind}, partition {each.partition}, from {each.first} to "
                    f"{each.last}, and the batch before ended at {begins}"
                )
            outside = any(not each.first <= void < each.last for void in each.voids)
            if outside or sorted(set(each.voids)) != list(each.voids):
                raise OrderBroken(f"the batch at @{position} names void records outside itself")
            taken[each.kind, each.partition] = each.last


def order_from(document: Mapping[str, Any]) -> LeafOrder:
    """The inverse of `LeafOrder.document`."""
    return LeafOrder(
        document["head"],
        document["position"],
        document["size"],
        bytes.fromhex(document["root"]),
        document["chain"],
        document["authority"],
        {(kind, number): position for kind, number, position in document["next"]},
    )


def index_in(batch: LeafBatch, place: LeafPlace) -> int | None:
    """The number of a record's leaf; None if the batch has no leaf of it."""
    index = batch.first
    for each in batch.runs:
        if (each.kind, each.partition) == (place.kind, place.partition) and each.first <= place.position < each.last:
            if place.position in each.voids:
                return None
            return index + place.position - each.first - sum(void < place.position for void in each.voids)
        index += each.leaves
    return None


def place_of(batch: LeafBatch, leaf: int) -> LeafPlace | None:
    """Where the record of a leaf is; None if the leaf is of another batch."""
    if not batch.first <= leaf < batch.size:
        return None
    index = batch.first
    for each in batch.runs:
        if leaf < index + each.leaves:
            return next(islice(each.places(), leaf - index, None))
        index += each.leaves
    raise AssertionError("the runs of a batch have as many leaves as the batch")


def runs_of(taken: Sequence[tuple[LeafPlace, bytes | None]]) -> tuple[tuple[LeafRun, ...], list[bytes]]:
    """The runs of some records and the entries of their leaves, in order. The records of each partition are in ascending order
    and without a gap; a record without an entry is void."""
    found: dict[LeafPartition, list[tuple[int, bytes | None]]] = {}
    for place, entry in taken:
        found.setdefault((place.kind, place.partition), []).append((place.position, entry))
    runs = tuple(
        LeafRun(kind, part, each[0][0], each[-1][0] + 1, tuple(position for position, entry in each if entry is None))
        for (kind, part), each in found.items()
    )
    return runs, [entry for each in found.values() for _, entry in each if entry is not None]
