"""A body that arrives in pieces is read to its end, and no further than its bound."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.outgoing_http import TooLong, at_most

PIECES, LENGTH = 20, 5_000


async def pieces(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(PIECES):
        await response.write(b"x" * LENGTH)
    return response


@pytest.mark.parametrize("bound", [PIECES * LENGTH, 10 * PIECES * LENGTH])
async def test_an_answer_in_pieces_is_read_to_its_end(bound: int) -> None:
    app = web.Application()
    app.router.add_get("/", pieces)
    async with TestClient(TestServer(app)) as client, client.get("/") as found:
        assert await at_most(found.content, bound) == b"x" * PIECES * LENGTH


async def test_a_longer_answer_is_refused() -> None:
    app = web.Application()
    app.router.add_get("/", pieces)
    async with TestClient(TestServer(app)) as client, client.get("/") as found:
        with pytest.raises(TooLong, match="longer than 99999 bytes"):
            await at_most(found.content, PIECES * LENGTH - 1)
