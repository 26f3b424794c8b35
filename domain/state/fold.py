"""Reading the log: what every follower does with each value, wherever the value came from."""

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
    """The world after the valid prefix read so far. `next` is the offset of the next value to read, void or not."""

    world: World = field(default_factory=World)
    chain: Chain = field(default_factory=Chain)
    next: int = 0
    voids: int = 0

    @classmethod
    def under(cls, keys: Keyring) -> Fold:
        """An empty fold that takes what these keys authenticate."""
        return cls(chain=Chain(keys=keys))

    def take(self, offset: int, value: bytes) -> Record | None:
        """Take in the value at `offset`; the record if it is valid, None if it is void.

        Raises Unreadable for a valid record that a newer version wrote: going on would answer from a wrong present.
        Raises KeyMissing where the log goes on under a key that was not read yet; the same value can then be taken again.
        """
        found = self.read(offset, value)
        if found is None:
            return None
        self.world.fold(offset, found[1])
        return found[1]

    def read(self, offset: int, value: bytes) -> tuple[dict[str, Any], Record] | None:
        """As `take`, but the world is not changed yet, so that a reader can look at it first: (document, record)."""
        self.next = offset + 1
        document = parse(value)
        if document is None or not self.chain.accepts(offset, value, document):
            self.voids += 1
            return None
        return document, record_from(document)
