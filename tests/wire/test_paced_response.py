"""Long answers end when their reader stops reading, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Message

from services.audit_api.paced_response import SLOWEST, PacedResponse

PIECE = b"-" * SLOWEST


class Impatient(PacedResponse):
    stalled = 0.1


class Reader:
    """Takes `least` pieces, each after `pause` seconds, and then none."""

    def __init__(self, least: int, pause: float) -> None:
        self.left, self.pause = least, pause
        self.taken = 0
        self.closed = False
        self.ended = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            for _ in range(10):
                yield PIECE
        finally:
            self.closed = True

    async def send(self, message: Message) -> None:
        if not message.get("body"):
            self.ended = message.get("more_body") is False
        elif self.taken == self.left:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(self.pause)
            self.taken += 1

    async def read(self) -> None:
        await Impatient(self.pieces(), {}, "text/plain").stream_response(self.send)


async def test_a_reader_that_stops_gives_its_place_back() -> None:
    reader = Reader(3, 0)
    await asyncio.wait_for(reader.read(), 10)
    assert (reader.taken, reader.closed, reader.ended) == (3, True, False)


async def test_a_reader_that_is_slow_all_the_time_gets_everything() -> None:
    """Ten pieces that take longer in all than a reader may stand still."""
    reader = Reader(10, 0.02)
    await reader.read()
    assert (reader.taken, reader.ended) == (10, True)
