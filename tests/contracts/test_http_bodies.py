"""A body that arrives in pieces is read to its end, and no further than its bound."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import TestClient, TestServer

from services.adapters.http_bodies import TooLong, at_most


async def arriving(*pieces: bytes) -> StreamReader:
    """A body of which each piece arrives after the one before was read."""
    loop = asyncio.get_running_loop()
    found = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    for number, piece in enumerate(pieces):
        loop.call_later(0.01 * number, found.feed_data, piece)
    loop.call_later(0.01 * len(pieces), found.feed_eof)
    return found


async def test_pieces_are_joined() -> None:
    assert await at_most(await arriving(b"first ", b"second"), 100) == b"first second"


async def test_a_longer_body_is_refused() -> None:
    with pytest.raises(TooLong, match="longer than 11 bytes"):
        await at_most(await arriving(b"first ", b"second"), 11)
    assert await at_most(await arriving(b"first ", b"second"), 12) == b"first second"


async def test_an_answer_of_a_server_is_whole() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b"x" * 5_000)
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestClient(TestServer(app)) as client, client.get("/") as found:
        assert len(await at_most(found.content, 100_000)) == 100_000
