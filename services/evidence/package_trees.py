"""The two trees of a package of evidence: the one before its records, and the one that all proofs lead to."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import UndefinedTableError

from domain.transparency.checkpoints import checkpoint_by_one_of
from domain.transparency.leaves import LeafPlace
from domain.transparency.merkle import HASH_LENGTH, ProofRefused, check_consistency, consistency_spans, perfect_spans
from domain.transparency.notes import NoteRefused, VerifierKey
from domain.transparency.tiles import WIDTH, TileMissing, tile_with
from services.evidence.proofs import NotProven, ProofMaker, ProvenTree
from services.notary import kept_heads
from services.notary.kept_heads import KeptHead
from services.notary.published_tiles import tile_of


@dataclass(frozen=True, slots=True)
class EarlierHead:
    """The checkpoint before a package's records, and the key of the log that signed it."""

    kept: KeptHead
    key: VerifierKey

    @property
    def size(self) -> int:
        return self.kept.head.size


class PackageHeads:
    def __init__(self, proofs: ProofMaker) -> None:
        self._proofs = proofs

    async def between(
        self, records: Sequence[LeafPlace], since: datetime | None, until: datetime | None
    ) -> tuple[ProvenTree, EarlierHead | None]:
        """(the tree that has all these records, the last checkpoint from before `since` without any of them: clocks may differ).
        The tree is the first one that was kept after `until`, or else the newest: of those that enough witnesses cosigned, since
        verifiers ask that of it. The checkpoint is None if none is that old; it may be older than the witnesses.
        `records`: the first and the last one of each partition. Raises NotProven, Unavailable."""
        tree, leaves = await self._proofs.notarised(records)
        pool, size = self._proofs.pool, tree.head.size
        try:
            after = (
                []
                if until is None
                else await kept_heads.first_after(pool, until, max(leaves.values(), default=-1) + 1, size)
            )
            before = (
                [] if since is None else await kept_heads.newest_by(pool, since, min(leaves.values(), default=size))
            )
        except UndefinedTableError:  # the notary makes the table when it first starts
            after = before = []
        for each in after:
            if self._proofs.policy.is_met_by(each.note) and (key := await self._key_of(each, tree)) is not None:
                tree = ProvenTree(self._proofs.store, each.note, each.head, key, each.stamp)
                break
        for each in before:
            if (key := await self._key_of(each, tree)) is not None:
                return tree, EarlierHead(each, key)
        return tree, None

    async def _key_of(self, kept: KeptHead, tree: ProvenTree) -> VerifierKey | None:
        """The key that signed it, rather the tree's than another one of this log. None for a row that somebody else wrote, also
        one who has a former key: the tree has to begin with its tree. Raises Unavailable."""
        size = kept.head.size
        if size > tree.head.size:
            return None
        try:
            _, key = checkpoint_by_one_of(kept.note, [tree.key, *await self._proofs.log_keys()])
            path = await tree.hashes.of(consistency_spans(size, tree.head.size))
            check_consistency(size, kept.head.root, tree.head.size, tree.head.root, path)
        except (NoteRefused, ProofRefused, TileMissing):
            return None
        return key

    async def document(self, tree: ProvenTree, earlier: EarlierHead | None, *, whole: bool) -> dict[str, Any]:
        """What the package's list of files says of the trees. Raises NotProven, Unavailable."""
        size = 0 if earlier is None else earlier.size
        try:
            consistency = await tree.hashes.of(consistency_spans(size, tree.head.size))
            edge = await tree.hashes.of(list(perfect_spans((0, size)))) if whole else []
        except TileMissing as fault:
            raise NotProven(f"the transparency log has lost {fault}") from None
        keys = [tree.key, *([] if earlier is None else [earlier.key])]
        return {
            "key": " ".join(dict.fromkeys(each.text for each in keys)),
            "before": "" if earlier is None else str(earlier.kept.note),
            "after": str(tree.note),
            "stamps": {"before": "" if earlier is None else _base64(earlier.kept.stamp), "after": _base64(tree.stamp)},
            "sizes": [size, tree.head.size],
            "consistency": [_base64(each) for each in consistency],
            "edge": [_base64(each) for each in edge],
            "whole": whole,
        }

    async def leaves(self, tree: ProvenTree, earlier: EarlierHead | None) -> AsyncIterator[str]:
        """The hashes of all leaves between the two trees, tile by tile, in base64. Raises NotProven, Unavailable."""
        at, size = 0 if earlier is None else earlier.size, tree.head.size
        while at < size:
            name = tile_with(0, at, size)
            tile = await tile_of(self._proofs.store, name)
            if len(tile) != name.width * HASH_LENGTH:
                raise NotProven(f"the transparency log has lost {name.path}")
            yield _base64(tile[at % WIDTH * HASH_LENGTH :])
            at += name.width - at % WIDTH


def _base64(content: bytes) -> str:
    return b64encode(content).decode()
