"""A log's keys for tests that publish a tree without a vault."""

from __future__ import annotations

from collections.abc import Sequence

from domain.transparency.checkpoints import Checkpoint
from domain.transparency.notes import NoteSigner, SignedNote, VerifierKey


class OneKey:
    """`signers` sign, newest first; `former` have signed."""

    def __init__(self, *signers: NoteSigner, former: Sequence[NoteSigner] = ()) -> None:
        self._signers, self._former = signers, former

    @property
    def origin(self) -> str:
        return self._signers[0].name

    @property
    def own(self) -> Sequence[VerifierKey]:
        return [each.verifier for each in (*self._signers, *self._former)]

    @property
    def signing(self) -> Sequence[VerifierKey]:
        return [each.verifier for each in self._signers]

    async def read(self) -> None:
        """There is nowhere to look for new keys."""

    async def signed(self, head: Checkpoint) -> SignedNote:
        return head.signed_by(*self._signers)
