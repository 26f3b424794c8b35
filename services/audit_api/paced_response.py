"""Sends a long answer to a reader who keeps up with it. Such an answer holds one of the few places of long questions, and a
reader who stops reading would hold it for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from services.logs import logger_of

log = logger_of("audit")

STALLED = 30.0
"""Seconds that an answer waits for its reader altogether, besides the time that SLOWEST gives for what was sent."""
SLOWEST = 32_768
"""Bytes a second that the slowest reader takes: a mobile line."""


class BrokenOff(Exception):
    """An answer cannot be brought to its end. Why is on the server's log, or on record."""


class PacedResponse(StreamingResponse):
    stalled = STALLED

    def __init__(self, pieces: AsyncGenerator[bytes, None], headers: Mapping[str, str], media: str) -> None:
        super().__init__(pieces, 200, headers, media)
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        """Ends the connection before the end of an answer that is broken off. A reader of half a file must not take it for a
        whole one, and a file has no place for an error: the connection's early end is the error (RFC 9112, 8)."""
        pace = _Pace(send, self.stalled, self.headers.get("x-amzn-requestid", ""))
        try:
            await super().stream_response(pace.send)
        except BrokenOff:
            await self._pieces.aclose()  # which gives its place back


class _Pace:
    def __init__(self, send: Send, stalled: float, call: str) -> None:
        self._send, self._stalled, self._call = send, stalled, call
        self._left = stalled

    async def send(self, message: Message) -> None:
        """Raises BrokenOff if the reader is too slow. Only the time that is spent waiting for the reader counts."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._left):
                await self._send(message)
        except TimeoutError:
            log.warning("an answer was broken off: its reader takes too little", call=self._call)
            raise BrokenOff from None
        self._left += len(message.get("body", b"")) / SLOWEST - (loop.time() - began)
        self._left = min(self._left, self._stalled)
