"""What a row of the table of operations is: a changing call, or one that is answered on the API's present."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain.access import Caller
from domain.crypto.material import PrivateKey
from domain.keys.key import Key
from domain.world import World

Parameters = Mapping[str, Any]
Answer = dict[str, Any]


class Materials(Protocol):
    """Key material in the clear, for as long as a call needs it. Raises Unavailable."""

    async def symmetric(self, key: Key) -> bytes: ...

    async def private(self, key: Key) -> PrivateKey: ...


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Request:
    """A call whose signature and shape are right. Blobs in `parameters` are bytes."""

    operation: str
    parameters: Parameters
    caller: Caller

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.parameters.get(name, default)


@dataclass(slots=True)  # see Request
class Target:
    """One permission that a call asks: an action on a key, and the usage that the key must have (None: any)."""

    action: str
    key: Key
    usage: str | None = None


Made = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changing:
    """Decided by the writer. `command` runs there, on the logged parameters and what the API had `prepare` make.

    `prepare` gives the ids and seals the material before the command is sent; `answer` is read off the event.
    """

    command: Callable[[Parameters, Made], object]
    answer: Callable[[Any, str, int], Answer] = lambda event, region, at: {}
    prepare: Callable[[Parameters], tuple[str, str] | None] | None = None


@dataclass(frozen=True, slots=True)
class Using:
    """Answered on the present. `targets` resolves keys and names the permissions asked of their policies; `state`
    is the row of the key-state table."""

    targets: Callable[[Request, World], Sequence[Target]]
    run: Callable[[Request, World, Sequence[Key], Materials], Awaitable[Answer]]
    cross_account: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Answered on the present, and asks permission in the account, of no key policy."""

    action: str
    run: Callable[[Request, World], Answer]


Row = Changing | Using | Listing
