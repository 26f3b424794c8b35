"""Reading the log: what every follower does with a value, whoever it is and wherever it came from."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.trail.chain import Chain
from domain.trail.codec import parse, record_from
from domain.trail.record import Record
from domain.world import World


@dataclass(slots=True)
class Fold:
    """The world after the valid prefix read so far. `next` is the offset of the next value to read, void or not."""

    world: World = field(default_factory=World)
    chain: Chain = field(default_factory=Chain)
    next: int = 0
    voids: int = 0

    def take(self, offset: int, value: bytes) -> Record | None:
        """Take in the value at `offset`; the record if it is valid, None if it is void.

        Raises Unreadable for a valid record that a newer version wrote: going on would answer from a wrong present.
        """
        self.next = offset + 1
        document = parse(value)
        if document is None or not self.chain.accepts(offset, value, document["previous"]):
            self.voids += 1
            return None
        record = record_from(document)
        self.world.fold(offset, record)
        return record
