"""uvicorn's HTTP protocol with the bounds that it lacks. They limit the size of headers, the requests sent ahead, and
everything that is held for one connection and for all. They also limit the time for a request to arrive and an answer
to be read.

uvicorn only closes idle keep-alive connections. A client that sends one byte a minute, or endless headers, would hold
memory and a connection for ever. Calls (`POST /`) bypass ASGI, see exchange.py.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.api import http_bounds as bounds
from services.api.after_upgrade import parse
from services.api.door import PROXIED, Door
from services.api.http_bounds import DoorRefusal
from services.api.whole_responses import WholeResponses
from services.client_address import group_of, plain
from services.kms_api.exchange import MOST_DROPPED, Answering, Exchange


class Refused(Exception):
    """Raised in the parser's callbacks. The parser stops, and the connection ends."""

    def __init__(self, refusal: DoorRefusal) -> None:
        super().__init__()
        self.refusal = refusal


class GuardedProtocol(HttpToolsProtocol):
    """Closes a connection whose headers are too large, whose request is too slow to arrive, whose answers are not read,
    or that is idle for too long. The door may also want its place for another. `answering` answers `POST /`; everything
    else goes to the ASGI application.

    Each connection has one timer. Now and then it checks when the present request began, or when the last one was
    answered. A timer for each request would cost more than the rest of this file.
    """

    def __init__(self, answering: Answering, door: Door, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.answering = answering
        self.door = door
        self.room = door.waiting_room
        self.group = PROXIED
        self.known = False
        self.held = 0
        self.source = ""
        """The address that the present request comes from."""
        self._proxied = False
        self._header_bytes = 0
        self._size = 0
        """The size of the data that the parser is given now."""
        self._arrived = 0
        """The bytes that arrived for requests that are not being answered yet."""
        self._pending = 0
        """How many of those bytes are kept."""
        self._parts = 0
        self._body_size = 0
        self._in_headers = True
        self._began: float | None = None
        self._idle: float | None = None
        self._unread = 0
        """The bytes of an answer that the client has left unread since `_unread_since`."""
        self._unread_since: float | None = None
        self._closing_since: float | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._later = 0.0
        self._waiting = b""
        """The latest data, while it waits for a stranger's turn."""
        self._exchange: Exchange | None = None
        self._due = float("inf")
        """When the call that is now arriving became due, if the request is a call."""
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._usual = b""

    def connection_made(self, transport: Any) -> None:
        self.plain = transport
        self._whole = WholeResponses(transport)
        super().connection_made(self._whole)  # type: ignore[arg-type]  # it has all of a transport's methods
        peer, port = self.client or ("", 0)
        self.source = plain(peer)
        self.client = (self.source, port)
        self._proxied = self.source in self.door.proxies
        self._idle = self.loop.time()
        self._looking = self.loop.call_later(bounds.LOOK_EVERY, self._look)
        if self.door.enter(self, PROXIED if self._proxied else group_of(self.source)):
            transport.set_write_buffer_limits(high=bounds.UNREAD)
        else:
            self._refuse(bounds.FULL)

    def _look(self) -> None:
        now = self.loop.time()
        self._looking = self.loop.call_later(bounds.LOOK_EVERY, self._look)
        if self.plain.is_closing():
            # Written data may still be unread: a close waits for that, a cut does not.
            if self._closing_since is None:
                self._closing_since = now
            elif now - self._closing_since > bounds.LINGER:
                self.plain.abort()
        elif self._is_unread_for_long(now):
            self.plain.abort()
        elif self._began is not None and now - self._began > bounds.REQUEST_DEADLINE:
            self._refuse(bounds.SLOW)
        elif self._is_never_answered(now):
            self.plain.abort()
        elif self._idle is not None and now - self._idle > (
            bounds.KEEP_ALIVE if self.known else bounds.STRANGERS_KEEP_ALIVE
        ):
            self.plain.close()

    def _is_never_answered(self, now: float) -> bool:
        """Whether a call's answer did not come in time. Its connection is not kept for ever, whatever happened to the call."""
        exchange = self._exchange
        return exchange is not None and not exchange.response_complete and now - self._due > bounds.ANSWER_DEADLINE

    def _is_unread_for_long(self, now: float) -> bool:
        if self._unread_since is None:
            return False
        left = self.plain.get_write_buffer_size()
        if left < self._unread:
            self._unread, self._unread_since = left, now
            self.door.hold(self, self._pending + left)
        return now - self._unread_since > bounds.REQUEST_DEADLINE

    def _refuse(self, refusal: DoorRefusal) -> None:
        """Says why, and ends the connection. While an answer is due, a client would take this message for the answer;
        then the connection ends without a message."""
        if self.plain.is_closing():
            return
        if not self._owes_an_answer():
            status, message = refusal
            self.plain.write(
                b"HTTP/1.1 %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (status, len(message), message)
            )
        self.plain.close()
        self._waiting = b""
        self.door.leave(self)

    def _owes_an_answer(self) -> bool:
        """Whether the next bytes written here belong to a request that is being answered, or was answered in part."""
        cycle: Any = self.cycle
        if cycle is None:
            return False
        if not cycle.response_complete:
            # A call whose body is incomplete is not being answered yet.
            return bool(self.pipeline) or self._exchange is None or not cycle.more_body or self._exchange.refused
        return self._began is not None and not self._in_headers

    # -- what the door asks ---------------------------------------------------------------------------------------

    @property
    def waits(self) -> float | None:
        if self._unread_since is not None:
            return self._unread_since
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete and self._began is None):
            return None
        return self._idle if self._began is None else self._began

    def give_way(self) -> None:
        if self._unread_since is None:
            self._refuse(bounds.GIVES_WAY)
        else:
            self.plain.abort()

    def recognise(self) -> None:
        """A correctly signed call came on this connection."""
        if not self.known:
            self.door.recognise(self)

    # -- what arrives ---------------------------------------------------------------------------------------------

    @property
    def usual_headers(self) -> bytes:
        """uvicorn's headers (the date), which it makes again every second."""
        if self.server_state.default_headers is not self._default_headers:
            self._default_headers = self.server_state.default_headers
            self._usual = b"".join(b"%b: %b\r\n" % header for header in self._default_headers)
        return self._usual

    def data_received(self, data: bytes) -> None:
        if self.known:
            self.take_in(data)
        elif self.room.is_free:
            self.room.do_now(partial(self._take_in_of_stranger, data))
        elif not self.plain.is_closing():
            self._waiting = data  # only one read waits at a time, and it counts as held
            self.plain.pause_reading()
            self.room.wait(self.group, self._take_what_waits)
            self.door.hold(self, self._pending + self._unread + len(data))

    def _take_what_waits(self) -> float:
        data, self._waiting = self._waiting, b""
        if not data or self.plain.is_closing():
            return 0.0
        self.plain.resume_reading()
        return self._take_in_of_stranger(data)

    def _take_in_of_stranger(self, data: bytes) -> float:
        """Returns how many seconds the requests that are now complete will cost later: each is answered in its own task."""
        self._later = 0.0
        self.take_in(data)
        return self._later

    def take_in(self, data: bytes) -> None:
        """Replaces uvicorn's method, which logs a line for each bad request: anybody could fill the disk."""
        if self.plain.is_closing():
            return
        self._size = size = len(data)
        self._header_bytes += size
        try:
            parse(self, data)
        except httptools.HttpParserError as fault:
            cause = fault.__context__
            self._refuse(cause.refusal if isinstance(cause, Refused) else bounds.MALFORMED)
            # An exception refers to its frames, and they to it. With their data that is a quarter of a megabyte.
            fault.__context__ = fault.__traceback__ = None
            if cause is not None:
                cause.__traceback__ = None
            return
        # A complete request that is being answered is not counted.
        if self._began is not None or self.held or self.pipeline:
            self._count(size)

    def _count(self, size: int) -> None:
        """Limits the bytes that this connection has sent for requests that are not being answered yet, and informs the door."""
        if self._began is None and not self.pipeline:
            self._arrived = 0
        else:
            self._arrived += size
        if self._in_headers:
            self._require_small_headers()
        dropped = not self._in_headers and (self.cycle.response_complete or self._is_refused())
        if self._arrived > (MOST_DROPPED if dropped else bounds.MOST_ARRIVED):
            self._refuse(bounds.NEVER_ENDING)
        elif not self.plain.is_closing():
            self._pending = 0 if dropped else self._arrived
            self.door.hold(self, self._pending + self._unread)

    def _is_refused(self) -> bool:
        return self._exchange is not None and self._exchange.refused

    def _require_small_headers(self) -> None:
        if self._began is None:
            return
        if len(self.url) > bounds.MAX_URL:
            self._refuse(bounds.LONG_URL)
        elif self._header_bytes > bounds.MAX_HEADER_BYTES or len(self.headers) > bounds.MAX_HEADERS:
            self._refuse(bounds.LARGE_HEADERS)

    def on_message_begin(self) -> None:
        self._in_headers = True
        # If a request begins after another one in the same packet, counting begins with the next packet.
        self._header_bytes = self._size if self._idle is not None else 0
        self._began = self.loop.time()
        self._idle = None
        self._parts = self._body_size = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_headers:
            # A trailer could change a decision that was made from the headers, and it comes after the checks that limit
            # them.
            raise Refused(bounds.TRAILERS)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if len(self.url) > bounds.MAX_URL:
            raise Refused(bounds.LONG_URL)
        if len(self.headers) > bounds.MAX_HEADERS or (
            self._size > bounds.MAX_HEADER_BYTES and self._has_large_headers()
        ):
            raise Refused(bounds.LARGE_HEADERS)
        if self._proxied:
            self._find_source()
        query = self._call()
        # A call costs little until its caller is known. Any other request costs the same from a stranger as from a
        # client.
        if self.pipeline and len(self.pipeline) >= (
            bounds.MOST_STRANGERS_AHEAD if query is None and not self.known else bounds.MOST_AHEAD
        ):
            raise Refused(bounds.FAR_AHEAD)
        self._in_headers = False
        if query is None:
            # Only a request through ASGI needs a scope.
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += headers
            self.scope["client"] = self.client
            self.scope["state"]["recognise"] = self.recognise
            self._exchange = None
            super().on_headers_complete()
            return
        before = self.cycle
        exchange = self._exchange = Exchange(
            self,
            query,
            self.headers,
            self.source,
            keep_alive=self.parser.should_keep_alive(),
            expects_continue=self.expect_100_continue,
            secure=self.scheme == "https",  # of this request: the next one of a proxy may differ
        )
        self.cycle = exchange  # type: ignore[assignment]  # it stands in for uvicorn's own
        if before is None or before.response_complete:
            exchange.take_turn()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]  # see above

    def _has_large_headers(self) -> bool:
        return sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > bounds.MAX_HEADER_BYTES

    def _find_source(self) -> None:
        """Finds the client that a trusted proxy calls for: each request may have another one."""
        assert self.client is not None, "a proxy has an address"
        forwarded = [value for name, value in self.headers if name == b"x-forwarded-for"]
        peer = plain(self.plain.get_extra_info("peername")[0])
        self.source = self.door.proxies.client(peer, forwarded)
        self.client = (self.source, self.client[1])
        if self.plain.get_extra_info("ssl_object") is None:
            said = [value for name, value in self.headers if name == b"x-forwarded-proto"]
            self.scheme = "https" if self.door.proxies.say_https(said) else "http"
        if not self.door.move(self, PROXIED if self.source in self.door.proxies else group_of(self.source)):
            raise Refused(bounds.FULL)

    def _call(self) -> bytes | None:
        """The query of a `POST /` request; None for any other request."""
        if self.parser.get_method() != b"POST":
            return None
        if self.url == b"/":
            return b""
        parsed = httptools.parse_url(self.url)
        return parsed.query or b"" if parsed.path == b"/" else None

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
        self._parts += 1
        self._body_size += len(body)
        if self._parts > bounds.FREE_PARTS and self._parts - bounds.FREE_PARTS > self._body_size // bounds.SMALL_PART:
            raise Refused(bounds.IN_TOO_MANY_PARTS)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # only the head is complete: see `parse`
        self._began = None
        if not self.known:
            self._later += (
                bounds.STRANGERS_REQUEST
                + len(self.headers) * bounds.STRANGERS_HEADER
                + self._body_size * bounds.STRANGERS_BYTE
            )
        if self._exchange is not None:
            self._due = self.loop.time()
            self._exchange.complete()
        else:
            super().on_message_complete()

    # -- what is answered -----------------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """Like uvicorn's, but the one timer watches the idle time, and nothing more is read while requests sent ahead wait."""
        self.server_state.total_requests += 1
        self._whole.end()
        if self.plain.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._began is None:
            self._idle = self.loop.time()
        if not self.pipeline:
            self.flow.resume_reading()
            if self.held and self._began is None:
                self._count(0)

    def pause_writing(self) -> None:
        self._unread, self._unread_since = self.plain.get_write_buffer_size(), self.loop.time()
        self.door.hold(self, self._pending + self._unread)
        super().pause_writing()

    def resume_writing(self) -> None:
        if self._unread_since is not None:
            self._unread, self._unread_since = 0, None
            self.door.hold(self, self._pending)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self.door.leave(self)
        super().connection_lost(exc)
        self._waiting = b""
        # References to this object end here. The collector seldom looks for cycles (see __main__.py), and until then it
        # would keep everything that came on the connection.
        self.pipeline.clear()
        self._exchange = None
        self.headers = []
        self.cycle = self.scope = None  # type: ignore[assignment]  # uvicorn has them so before the first request
