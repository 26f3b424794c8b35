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
class Live:
    """(id, what is told) of each event. None is a beat, so that a silence is not taken for a lost connection (HTML
    standard, 9.2: a line that begins with a colon is a comment). `end` is called once the response has ended, however that
    comes, also if it never began."""

    name: str
    events: AsyncIterator[tuple[int, Told] | Ended | None]
    end: Callable[[], None]
    TYPE: ClassVar[str] = "text/event-stream"
    HEADERS: ClassVar[dict[str, str]] = {"cache-control": "no-store", "x-accel-buffering": "no"}

    async def bytes(self) -> AsyncIterator[bytes]:
        yield b": the %ss\n\n" % self.name.encode()
        async for event in self.events:
            match event:
                case None:
                    yield b": nothing new\n\n"
                case Ended(code, message):
                    yield b"event: error\ndata: %s\n\n" % orjson.dumps({"code": code, "message": message})
                case (number, told):
                    data = orjson.dumps(told.value)
                    yield b"id: %d\nevent: %s\ndata: %s\n\n" % (number, self.name.encode(), data)
                case _:
                    assert_never(event)
