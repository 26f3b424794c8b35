"""uvicorn's HTTP protocol with the bounds that it lacks: headers' size, and the time a request may take to arrive.

uvicorn closes idle keep-alive connections and nothing else; a client that sends one byte a minute, or headers without
end, would hold memory and a connection for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 32_768
REQUEST_DEADLINE = 20.0
"""Seconds from a connection's or a request's first byte to the request's last."""
LOOK_EVERY = 5.0


class WholeResponses:
    """A transport that writes a response's head together with its body: uvicorn writes them apart, and each write is
    a system call, a twentieth of what a call costs. What begins with a status line waits for what follows it."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 "):
            self._head += data
            return
        self._transport.write(self._head + data)
        self._head = b""

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()


class GuardedProtocol(HttpToolsProtocol):
    """Closes a connection whose headers are too large, or whose request is too slow to arrive.

    One timer a connection looks now and then at when the request under way began: a timer a request would cost more
    than the rest of this file.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._header_bytes = 0
        self._in_headers = True
        self._began: float | None = None
        self._looking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(WholeResponses(transport))  # type: ignore[arg-type]  # it has all of a transport's methods
        self._began = self.loop.time()
        self._looking = self.loop.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        if self._began is not None and self.loop.time() - self._began > REQUEST_DEADLINE:
            self._refuse(b"408 Request Timeout")
        elif not self.transport.is_closing():
            self._looking = self.loop.call_later(LOOK_EVERY, self._look)

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        # Counted after the parser: a body that came in the same packet is not header.
        if self._in_headers and self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        self._in_headers = True
        self._header_bytes = 0
        self._began = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._began = None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)
