"""The transparency log under /log/, as C2SP tlog-tiles says: checkpoint, tiles and entries. Beside them are
the key (`/log/key`) and the newest checkpoint with enough cosignatures (`/log/cosigned`).

It is unsigned and meant for everybody, so a stranger's request must cost little: a path either has the form of a tile's path or
is answered without a look at the store, and the store is read for few requests at once, for which few others wait.
"""

from __future__ import annotations

import asyncio
import re

from domain.ports import TileStore, Unavailable
from services.kms_api.app import READING, AsgiScope, Receive, Send
from services.notary.cosigning import COSIGNED
from services.notary.publisher import CHECKPOINT, KEY

PREFIX = "/log"
MOST_WAITING, AT_ONCE = 64, 4
PATIENCE = 5.0
"""Seconds that the store has to answer."""
_INDEX = r"(?:x[0-9]{3}/){0,5}[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?"
TILE = re.compile(rf"tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/{_INDEX}")
FOR_EVER, A_MOMENT = b"public, max-age=31536000, immutable", b"public, max-age=1"
RETRY = [(b"retry-after", b"1")]
TEXT, BYTES = b"text/plain; charset=utf-8", b"application/octet-stream"


class PublishedTree:
    """An ASGI application. Owned by the event loop."""

    def __init__(self, store: TileStore) -> None:
        self._store = store
        self._reading = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(f"{PREFIX}/")
        if scope["method"] not in READING:
            await _answer(send, 405, b"The transparency log is read by GET.", TEXT, [(b"allow", b"GET, HEAD")])
        elif path in (CHECKPOINT, COSIGNED, KEY):
            await self._file(send, path, TEXT, A_MOMENT)
        elif TILE.fullmatch(path):
            await self._file(send, path, BYTES, FOR_EVER)
        else:
            await _answer(send, 404, b"The transparency log has no such path.", TEXT)

    async def _file(self, send: Send, path: str, type: bytes, cached: bytes) -> None:
        if self._waiting >= MOST_WAITING:
            await _answer(send, 503, b"Too many are reading; try again.", TEXT, RETRY)
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE), self._reading:
                found = await self._store.read(path)
        except (Unavailable, TimeoutError):
            await _answer(send, 503, b"The store of the transparency log does not answer.", TEXT, RETRY)
            return
        finally:
            self._waiting -= 1
        if found is None:
            await _answer(send, 404, b"It is not published, or a full tile has taken its place.", TEXT)
        else:
            await _answer(send, 200, found, type, [(b"cache-control", cached)])


async def _answer(
    send: Send, status: int, body: bytes, type: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    common = [
        (b"content-type", type),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*common, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
