"""Makes proofs of records: the record as its reader may see it, its leaf's path to the root, and the checkpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from asyncpg import UndefinedTableError

from domain.log.authenticity import EVENTS, commitment, key_of
from domain.log.authority import Authority
from domain.log.codec import canonical
from domain.log.parts import bound_parts_of, former_parts_of
from domain.ports import TileStore, Unavailable
from domain.transparency.checkpoints import Checkpoint, checkpoint, checkpoint_by_one_of
from domain.transparency.leaf_extents import LeafExtent
from domain.transparency.leaves import LeafPlace, entry_of, parts_of_value
from domain.transparency.merkle import ProofRefused, check_inclusion, inclusion_spans, leaf_hash
from domain.transparency.notes import NoteRefused, SignedNote, VerifierKey, note_of, verifier_keys
from domain.transparency.order import LeafPartition
from domain.transparency.policies import WitnessPolicy
from domain.transparency.proofs import ShownParts, proof_document, proof_text
from domain.transparency.tiles import TileMissing
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.evidence.record_values import RecordValues
from services.notary import leaf_rows
from services.notary.cosigning import COSIGNED
from services.notary.order_topic import extents_now
from services.notary.published_tiles import TreeHashes
from services.notary.publisher import CHECKPOINT, KEY
from services.settings import Settings

PATIENCE, LOOK_EVERY = 5.0, 0.1
"""Seconds to wait for a record that is not notarised yet, and between two looks: people ask right after a call."""


CALLER, RESOURCE, REST = "caller", "resource", "rest"
"""The parts of a record across two accounts: what the caller's account may see, what the resource's account may see, and what
both may see."""
FORMER_PARTS_REFUSED = (
    "an earlier version recorded the call, and your part of the record says more than you may know; whoever runs Keytrail can "
    "prove the call, with all parts of its record"
)
BEHIND = "the notary is behind or does not run"


class NotProven(Exception):
    """What is published does not show this record. The message says what does not fit, and where."""


class NotNotarised(Unavailable):
    """A record is not in the transparency log yet."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The record is not in the transparency log yet: {why}. Try again.")


class ProvenTree:
    """A published checkpoint, and proofs under it. `stamp`: a time stamp (RFC 3161) of the note, or b""."""

    def __init__(
        self, store: TileStore, note: SignedNote, head: Checkpoint, key: VerifierKey, stamp: bytes = b""
    ) -> None:
        self.note, self.head, self.key, self.stamp = note, head, key, stamp
        self.hashes = TreeHashes(store, head.size)

    async def document(
        self, place: LeafPlace, index: int, value: bytes, shown: bytes | ShownParts
    ) -> Mapping[str, Any]:
        """The proof that the record with this value is leaf number `index`. Raises NotProven, Unavailable."""
        leaf = leaf_hash(entry_of(place, value))
        try:
            path = await self.hashes.of(inclusion_spans(index, self.head.size))
            check_inclusion(leaf, index, self.head.size, path, self.head.root)
        except (TileMissing, ProofRefused) as fault:
            raise NotProven(f"leaf {index} of the transparency log is not this record: {fault}") from None
        return proof_document(place, shown, self.key, proof_text(index, path, self.note))


class ProofMaker:
    """`keys` are those of the installation's records. `log_keys` gives every key that has signed the transparency log, newest
    first. `policy`: which witnesses the notary asks."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        keys: VaultKeyring,
        store: TileStore,
        log_keys: Callable[[], Awaitable[Sequence[VerifierKey]]],
        policy: WitnessPolicy,
    ) -> None:
        self.log_keys, self.policy = log_keys, policy
        self.pool, self.store = pool, store
        self._settings, self._keys = settings, keys
        # Two readers, so that a single proof never waits behind a proof of many records.
        self._one, self._many = RecordValues(settings), RecordValues(settings)
        self._checkpoint = COSIGNED if policy.asked else CHECKPOINT

    async def values(self, places: Sequence[LeafPlace]) -> dict[LeafPlace, bytes]:
        """The records at these places of the topics; one that was removed is left out. Raises OutOfRange, Unavailable."""
        return await self._many.of(places)

    async def value(self, place: LeafPlace) -> bytes:
        """Raises NotProven, OutOfRange, Unavailable."""
        found = (await self._one.of([place])).get(place)
        if found is None:
            raise removed(place)
        return found

    async def parts(self, place: LeafPlace, value: bytes, shown: frozenset[str], log: str) -> ShownParts:
        """Divide a record across two accounts into the parts that its commitment binds. The proof will show the parts named in
        `shown`. `log` is the log's id. Raises NotProven, KeyMissing, Unavailable."""
        await self._keys.know_those_of([value])
        document = {name: each for name, each in orjson.loads(value).items() if name not in ("auth", "parts")}
        seal = self._keys.seal(key_of(value), place.kind, log)
        dump = canonical if place.kind == EVENTS else orjson.dumps
        for division in (bound_parts_of, former_parts_of):
            parts = division(document, dump)
            salts = seal.salts(parts.rest)
            if commitment(salts, parts) == parts_of_value(value):
                break
        else:
            raise NotProven(f"the parts of {place} are not those of its commitment")
        if division is former_parts_of and shown != {CALLER, REST}:
            raise NotProven(FORMER_PARTS_REFUSED)
        return ShownParts(parts, salts, shown)

    async def document(self, place: LeafPlace, value: bytes, shown: bytes | ShownParts) -> Mapping[str, Any]:
        """Raises NotProven, Unavailable."""
        tree, leaves = await self.notarised([place])
        if place not in leaves:
            raise no_leaf(place)
        return await tree.document(place, leaves[place], value, shown)

    async def leaf_extents(self, authority: Authority) -> Mapping[LeafPartition, LeafExtent]:
        """Which records of each partition are leaves. Raises OrderBroken, OutOfRange, Unavailable."""
        return await extents_now(self._settings, self._keys, authority)

    async def notarised(self, places: Sequence[LeafPlace]) -> tuple[ProvenTree, dict[LeafPlace, int]]:
        """The newest published tree that has the leaves of these records, and the numbers of these leaves. A record that is void,
        or was removed before the notary could take it, has no leaf. Waits a little. Raises NotNotarised, Unavailable."""
        ends = time.monotonic() + PATIENCE
        while True:
            why = BEHIND
            try:
                # In this order: once the records are taken, a record without a number has no leaf and will never have one.
                taken = await self._are_taken(places)
                leaves, tree = await self.numbers(places), await self._published()
                if tree is not None and taken and max(leaves.values(), default=-1) < tree.head.size:
                    return tree, leaves
            except NoteRefused as fault:  # the log's key is being rotated, or the witnesses do not know the new key yet
                why = f"the published checkpoint cannot be used ({fault})"
            if time.monotonic() > ends:
                raise NotNotarised(await self._waits_for_witnesses(places) or why)
            await asyncio.sleep(LOOK_EVERY)

    async def _waits_for_witnesses(self, places: Sequence[LeafPlace]) -> str:
        """If the notary has published these records and only the witnesses are missing: the reason why there is no proof, else
        "". Raises Unavailable."""
        text = await self.store.read(CHECKPOINT)
        if self._checkpoint == CHECKPOINT or text is None or not await self._are_taken(places):
            return ""
        try:
            size = checkpoint(note_of(text).text).size
        except NoteRefused:
            return ""
        if max((await self.numbers(places)).values(), default=-1) >= size:
            return ""
        return (
            f"the notary has published it in a tree of {size} leaves, and too few of the witnesses in the settings have "
            "cosigned that tree. A witness may be away, or may not know the log's new key"
        )

    async def _are_taken(self, places: Sequence[LeafPlace]) -> bool:
        """Whether the notary has taken all of these records, so that Postgres says which of them are leaves."""
        try:
            return await leaf_rows.are_taken(self.pool, places)
        except UndefinedTableError:  # the notary makes the table when it first starts
            return False

    async def numbers(self, places: Sequence[LeafPlace]) -> dict[LeafPlace, int]:
        """The numbers of the records' leaves, as far as they are in the transparency log."""
        try:
            return await leaf_rows.leaves_of(self.pool, places)
        except UndefinedTableError:  # the notary makes the table when it first starts
            return {}

    async def _published(self) -> ProvenTree | None:
        """Raises NoteRefused, Unavailable."""
        text, key = await self.store.read(self._checkpoint), await self.store.read(KEY)
        if text is None or key is None:
            return None
        try:
            note, keys = note_of(text), verifier_keys(key.decode())
        except UnicodeDecodeError as fault:
            raise NoteRefused(str(fault)) from None
        return ProvenTree(self.store, note, *checkpoint_by_one_of(note, keys))

    async def close(self) -> None:
        await self._one.close()
        await self._many.close()


def no_leaf(place: LeafPlace) -> NotProven:
    return NotProven(f"the record {place} has no leaf: it is void, or was removed before the notary could take it")


def removed(place: LeafPlace) -> NotProven:
    return NotProven(f"the record {place} is no longer in its topic: the topic's retention, or a person, removed it")
