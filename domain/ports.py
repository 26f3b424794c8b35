"""What the domain's services need from outside. `tests/contracts` checks every adapter against each promise made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Unavailable(Exception):
    """The part behind a port does not answer now. A write may or may not have landed; reading back tells."""


def reason_of(fault: BaseException) -> str:
    """What an error says, for a message that goes on with it. A TimeoutError says nothing: it has no text."""
    return str(fault) or ("no answer in time" if isinstance(fault, TimeoutError) else type(fault).__name__)


class TooLarge(Exception):
    """A value that is too long for its topic. No part of it was appended."""


class LogRefused(Exception):
    """The topics cannot hold a log: wrong partitions, retention or replication. The message says how to mend it."""


class OutOfRange(Exception):
    """The requested position is not on the log, because the log was cut or is a new one. Readers stop; they never start
    again from the beginning."""


Headers = Sequence[tuple[str, bytes]]
"""Attributes beside a value on a topic."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A value on the topic, at its offset. `appended` is its time on the topic in microseconds: on `events` the
    broker's own time; 0 if there is none. No MAC covers `headers`."""

    offset: int
    value: bytes
    appended: int = 0
    headers: Headers = ()


class Reader(Protocol):
    """Follows one sequence from an offset on: in order, each value once."""

    async def read(self, limit: int) -> Sequence[Stored]:
        """The next values, at least one; waits for the first. Raises OutOfRange, Unavailable."""
        ...

    async def close(self) -> None: ...


class Topic(Protocol):
    """One topic of one partition: append to its end, read from any offset."""

    async def append(self, value: bytes, headers: Headers = ()) -> int:
        """Returns the offset when the value is durable. Raises Unavailable; the value may still have landed."""
        ...

    async def reader(self, offset: int) -> Reader: ...

    async def end(self) -> int:
        """The offset of the next append. The broker is asked for it after this call began. Raises Unavailable."""
        ...

    async def start(self) -> int:
        """The first offset that still exists."""
        ...

    async def close(self) -> None: ...


class MasterKey(Protocol):
    """Seals and opens secrets with one or more keys, each known by its name."""

    def newest(self) -> str:
        """The name of the key that was added last."""
        ...

    def seal(self, under: str, secret: bytes, bound: bytes) -> bytes:
        """`bound` is associated data: opening with other data fails. Raises MasterKeyRefused if there is no such key."""
        ...

    def open(self, under: str, sealed: bytes, bound: bytes) -> bytes: ...


class ContentDiffers(Exception):
    """Something else is already published under this name. The message has the name."""


class TileStore(Protocol):
    """Where a transparency log is published: immutable contents by their paths, and one checkpoint that is replaced."""

    async def create(self, path: str, content: bytes) -> None:
        """Durable when this returns. Nothing happens if the same content is there. Raises ContentDiffers, Unavailable."""
        ...

    async def create_all(self, contents: Sequence[tuple[str, bytes]]) -> None:
        """The same for many (path, content), in any order or at once. If it raises, any of them may be there."""
        ...

    async def read(self, path: str) -> bytes | None:
        """None if there is nothing at the path. Raises Unavailable."""
        ...

    async def replace(self, path: str, content: bytes, former: bytes | None) -> None:
        """Puts this content in the place of `former` (None: of nothing), if that is what is there. Readers find the whole of one
        of the two. Durable when this returns. Raises ContentDiffers, Unavailable."""
        ...

    async def remove(self, paths: Sequence[str]) -> None:
        """Raises Unavailable. A path with nothing is passed over."""
        ...
