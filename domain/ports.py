"""What the domain's services need from outside. `tests/contracts` holds every adapter to each promise made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Unavailable(Exception):
    """The part behind a port does not answer now. Whether a write landed is not known; reading back tells."""


class TooLarge(Exception):
    """A value that is longer than its topic takes. Nothing of it was appended."""


class LogRefused(Exception):
    """The topics cannot hold a log: wrong partitions, retention, replication. The message says what mends it."""


class OutOfRange(Exception):
    """The position asked for is not on the log: a cut or a new log. Readers stop; they never start over."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A value as it is on the topic, at its offset. `appended` is the time that the topic has of it, in microseconds: the
    broker's own on `events`; 0 where there is none."""

    offset: int
    value: bytes
    appended: int = 0


class Reader(Protocol):
    """Follows one sequence from an offset on, in order, each value once."""

    async def read(self, limit: int) -> Sequence[Stored]:
        """The next values, at least one: waits until there is one. Raises OutOfRange, Unavailable."""
        ...

    async def close(self) -> None: ...


Headers = Sequence[tuple[str, bytes]]
"""Attributes beside a value on a topic."""


class Topic(Protocol):
    """One topic of one partition: append to its end, read from any offset."""

    async def append(self, value: bytes, headers: Headers = ()) -> int:
        """Durable when it returns; the offset. Raises Unavailable, and then it may have landed all the same."""
        ...

    async def reader(self, offset: int) -> Reader: ...

    async def end(self) -> int:
        """The offset that the next append will have, asked of the broker after this call began. Raises Unavailable."""
        ...

    async def start(self) -> int:
        """The first offset that is still there."""
        ...

    async def close(self) -> None: ...


class MasterKey(Protocol):
    """Seals and opens secrets, with the one or more keys that it has, each known by its name."""

    def newest(self) -> str:
        """The name of the key that was added last."""
        ...

    def seal(self, under: str, secret: bytes, bound: bytes) -> bytes:
        """`bound` is associated data: opening with other data fails. Raises MasterKeyRefused: no such key."""
        ...

    def open(self, under: str, sealed: bytes, bound: bytes) -> bytes: ...
