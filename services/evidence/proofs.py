"""Makes the proof of one record: the record as its reader may see it, its leaf's path to the root, and the checkpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson

from domain.log.authenticity import EVENTS, commitment, key_of
from domain.log.authority import Authority
from domain.log.codec import canonical
from domain.log.parts import parts_of
from domain.ports import TileStore, Unavailable
from domain.transparency.checkpoints import Checkpoint, checkpoint_by
from domain.transparency.leaf_extents import LeafExtent
from domain.transparency.leaves import LeafPlace, entry_of, parts_of_value
from domain.transparency.merkle import ProofRefused, check_inclusion, inclusion_spans, leaf_hash
from domain.transparency.notes import NoteRefused, SignedNote, VerifierKey, signed_note, verifier_key
from domain.transparency.order import LeafPartition
from domain.transparency.proofs import ShownParts, proof_document, proof_text
from domain.transparency.tiles import TileMissing
from services.adapters.kafka import KafkaReader
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.adapters.record_topics import topics_read
from services.notary import leaf_rows
from services.notary.cosigning import COSIGNED
from services.notary.order_topic import extents_now
from services.notary.published_tiles import span_hashes
from services.notary.publisher import CHECKPOINT, KEY
from services.settings import Settings

PATIENCE, LOOK_EVERY = 5.0, 0.1
"""Seconds to wait for a record that is not notarised yet, and between two looks: people ask right after a call."""


class NotProven(Exception):
    """What is published does not show this record. The message says what does not fit, and where."""


class ProofMaker:
    """`keys` are those of the installation's records."""

    def __init__(self, settings: Settings, pool: Pool, keys: VaultKeyring, store: TileStore) -> None:
        self._settings, self._pool = settings, pool
        self._keys, self._store = keys, store
        self._checkpoint = COSIGNED if settings.witness_policy_file else CHECKPOINT

    async def value(self, place: LeafPlace) -> bytes:
        """The record's value on its topic. Raises OutOfRange, Unavailable."""
        topic = topics_read(self._settings)[place.kind]
        reader = await KafkaReader(self._settings, topic, place.partition).open(place.position)
        try:
            async with asyncio.timeout(PATIENCE):
                (found, *_) = await reader.read(1)
        except TimeoutError:
            raise Unavailable(f"{topic} does not answer") from None
        finally:
            await reader.close()
        if found.offset != place.position:
            raise NotProven(f"{topic}, partition {place.partition}, has no record {place.position} any more")
        return found.value

    async def parts(self, place: LeafPlace, value: bytes, shown: frozenset[str], log: str) -> ShownParts:
        """Parts of a record across two accounts, of the log with this id. Raises KeyMissing, Unavailable."""
        await self._keys.know_those_of([value])
        document = {name: each for name, each in orjson.loads(value).items() if name not in ("auth", "parts")}
        parts = parts_of(document, canonical if place.kind == EVENTS else orjson.dumps)
        assert parts is not None, "its value names a commitment to parts"
        salts = self._keys.seal(key_of(value), place.kind, log).salts(parts.rest)
        if commitment(salts, parts) != parts_of_value(value):
            raise NotProven(
                f"the parts of {place.kind} {place.partition}@{place.position} are not those of its commitment"
            )
        return ShownParts(parts, salts, shown)

    async def document(self, place: LeafPlace, value: bytes, shown: bytes | ShownParts) -> Mapping[str, Any]:
        """Raises NotProven, Unavailable."""
        index, note, head, key = await self._notarised(place)
        leaf = leaf_hash(entry_of(place, value))
        try:
            path = await span_hashes(self._store, inclusion_spans(index, head.size), head.size)
            check_inclusion(leaf, index, head.size, path, head.root)
        except (TileMissing, ProofRefused) as fault:
            raise NotProven(f"leaf {index} of the transparency log is not this record: {fault}") from None
        return proof_document(place, shown, key, proof_text(index, path, note))

    async def leaves(self, authority: Authority) -> Mapping[LeafPartition, LeafExtent]:
        """Which records are leaves. Raises OrderBroken, OutOfRange, Unavailable."""
        return await extents_now(self._settings, self._keys, authority)

    async def _notarised(self, place: LeafPlace) -> tuple[int, SignedNote, Checkpoint, VerifierKey]:
        """The record's leaf, and a checkpoint with it. Waits a little."""
        ends = time.monotonic() + PATIENCE
        while True:
            index = await leaf_rows.leaf_of(self._pool, place)
            text, key = await self._store.read(self._checkpoint), await self._store.read(KEY)
            if index is not None and text is not None and key is not None:
                try:
                    note, own = signed_note(text.decode()), verifier_key(key.decode())
                    head = checkpoint_by(note, own)
                except (NoteRefused, UnicodeDecodeError) as fault:
                    raise NotProven(f"what is published as the checkpoint is none: {fault}") from None
                if index < head.size:
                    return index, note, head, own
            if time.monotonic() > ends:
                raise Unavailable("the record is not in the transparency log yet; the notary is behind or does not run")
            await asyncio.sleep(LOOK_EVERY)
