"""Reads the log. Every follower does the same with each value, wherever the value came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from domain.log.authenticity import Keyring
from domain.log.chain import Chain
from domain.log.codec import parse, record_from
from domain.log.record import Record
from domain.state.world import World


@dataclass(slots=True)
class Fold:
    """The world after the valid prefix that was read so far. `next` is the offset of the next value to read, void or not."""

    world: World = field(default_factory=World)
    chain: Chain = field(default_factory=Chain)
    next: int = 0
    voids: int = 0

    @classmethod
    def under(cls, keys: Keyring) -> Fold:
        """An empty fold. Values have to be authentic under these keys."""
        return cls(chain=Chain(keys=keys))

    def rewind(self) -> None:
        """Go back to behind the last valid record. Void records after it may be gone, and others in their place. So whoever knows
        only that the log still holds that record reads on from there."""
        behind = self.chain.position + 1
        self.voids -= self.next - behind
        self.next = behind

    def take(self, offset: int, value: bytes) -> Record | None:
        """Take in the value at `offset`; the record if it is valid, None if it is void.

        Raises Unreadable for a valid record that a newer version wrote: to go on would mean answers from a wrong world.
        Raises KeyMissing where the log continues under a key that was not read yet; the same value can then be taken
        again.

        """
        found = self.read(offset, value)
        if found is None:
            return None
        self.world.fold(offset, found[1])
        return found[1]

    def read(self, offset: int, value: bytes) -> tuple[dict[str, Any], Record] | None:
        """Like `take`, but leaves the world unchanged, so that a reader can look at it first: (document, record)."""
        document = parse(value)
        accepted = document is not None and self.chain.accepts(offset, value, document)
        self.next = offset + 1  # not before: a value under a key that was not read yet is not taken in
        if document is None or not accepted:
            self.voids += 1
            return None
        return document, record_from(document)
