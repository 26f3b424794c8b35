"""Server-sent events: what an Audience tells while it happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import ClassVar, assert_never

import orjson

from domain.authorization.audience import Told


@dataclass(frozen=True, slots=True)
class Ended:
    """The reason why a stream ends: its reader may no longer ask for it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing new, so that a silence is not taken for a lost connection. `number` is the id after which a client goes on that
    connects again."""

    number: int


@dataclass(frozen=True, slots=True)
class Live:
    """(id, what is told) of each event. `begin` is the id after which the stream begins: it comes at once, and later ones with
    the beats. A client that knew no id until the first event would begin at the end each time that it connects, and miss
    what was told while it was away. `end` is called once the response has ended, however that comes, also if it never
    began.

    HTML standard, 9.2: a line that begins with a colon is a comment, and an id without data is kept and makes no event."""

    name: str
    begin: int
    events: AsyncIterator[tuple[int, Told] | Ended | Beat]
    end: Callable[[], None]
    TYPE: ClassVar[str] = "text/event-stream"
    HEADERS: ClassVar[dict[str, str]] = {"cache-control": "no-store", "x-accel-buffering": "no"}

    async def bytes(self) -> AsyncIterator[bytes]:
        yield b": the %ss\nid: %d\n\n" % (self.name.encode(), self.begin)
        async for event in self.events:
            match event:
                case Beat(number):
                    yield b": nothing new\nid: %d\n\n" % number
                case Ended(code, message):
                    yield b"event: error\ndata: %s\n\n" % orjson.dumps({"code": code, "message": message})
                case (number, told):
                    data = orjson.dumps(told.value)
                    yield b"id: %d\nevent: %s\ndata: %s\n\n" % (number, self.name.encode(), data)
                case _:
                    assert_never(event)
