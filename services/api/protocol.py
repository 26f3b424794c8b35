"""uvicorn's HTTP protocol with the bounds that it lacks: headers' size, and the time a request may take to arrive.

uvicorn closes idle keep-alive connections and nothing else; a client that sends one byte a minute, or headers without
end, would hold memory and a connection for ever. Calls (`POST /`) go round ASGI, see exchange.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.api.exchange import Answering, Exchange

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
    """Closes a connection whose headers are too large, whose request is too slow to arrive, or that is idle for long.
    `answering` answers what comes to `POST /`; everything else goes to the ASGI application.

    One timer a connection looks now and then at when the request under way began, or the last was answered: a timer a
    request would cost more than the rest of this file.
    """

    def __init__(self, answering: Answering, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.answering = answering
        self._header_bytes = 0
        self._in_headers = True
        self._began: float | None = None
        self._idle: float | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._exchange: Exchange | None = None
        """What arrives now, where it is a call."""
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._usual = b""

    def connection_made(self, transport: Any) -> None:
        self.plain = transport
        super().connection_made(WholeResponses(transport))  # type: ignore[arg-type]  # it has all of a transport's methods
        self._began = self.loop.time()
        self._looking = self.loop.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        if self._began is not None and now - self._began > REQUEST_DEADLINE:
            if self._exchange is not None and self._exchange.response_complete:
                self.plain.close()  # refused already, and still sending
            else:
                self._refuse(b"408 Request Timeout")
        elif self._idle is not None and now - self._idle > self.timeout_keep_alive:
            self.plain.close()
        elif not self.transport.is_closing():
            self._looking = self.loop.call_later(LOOK_EVERY, self._look)

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    @property
    def usual_headers(self) -> bytes:
        """uvicorn's own headers (the date), which it makes anew every second."""
        if self.server_state.default_headers is not self._default_headers:
            self._default_headers = self.server_state.default_headers
            self._usual = b"".join(b"%b: %b\r\n" % header for header in self._default_headers)
        return self._usual

    def data_received(self, data: bytes) -> None:
        self._idle = None
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
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        self._in_headers = False
        query = self._call()
        if query is None or self._is_full():
            # ASGI's scope is made for what goes that way alone.
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += headers
            self._exchange = None
            super().on_headers_complete()
            return
        before = self.cycle
        exchange = self._exchange = Exchange(
            self,
            query,
            self.headers,
            keep_alive=self.parser.should_keep_alive(),
            expects_continue=self.expect_100_continue,
        )
        self.cycle = exchange  # type: ignore[assignment]  # it stands in for uvicorn's own
        if before is None or before.response_complete:
            exchange.take_turn()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]  # see above

    def _call(self) -> bytes | None:
        """The query of a request of `POST /`, None for any other."""
        if self.parser.get_method() != b"POST":
            return None
        if self.url == b"/":
            return b""
        parsed = httptools.parse_url(self.url)
        return parsed.query or b"" if parsed.path == b"/" else None

    def _is_full(self) -> bool:
        most = self.limit_concurrency
        return most is not None and (len(self.connections) >= most or len(self.tasks) >= most)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, Exchange):
            cycle.take_turn()
        else:
            super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        if self._exchange is not None:
            self._exchange.take(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._began = None
        if self._exchange is not None:
            self._exchange.complete()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, with the idle time looked at by the one timer."""
        self.server_state.total_requests += 1
        if self.plain.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)
