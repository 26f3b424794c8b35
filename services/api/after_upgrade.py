"""Reads the body of a request that asks for another protocol.

httptools takes such a request to end with its head, and everything behind it for the other protocol. Keytrail speaks no other,
so it ignores the wish (RFC 9110, section 7.8) and has to read the body. Otherwise the body would be the next request: behind a
proxy, one whose headers the proxy never saw.
"""

from __future__ import annotations

from typing import Protocol

import httptools

_FRAMING = (b"content-length", b"transfer-encoding")


class ParsedRequests(Protocol):
    """What httptools calls, the parser of the connection, and the present request's headers with their names in lower case."""

    parser: httptools.HttpRequestParser
    headers: list[tuple[bytes, bytes]]

    def on_message_begin(self) -> None: ...

    def on_url(self, url: bytes) -> None: ...

    def on_header(self, name: bytes, value: bytes) -> None: ...

    def on_headers_complete(self) -> None: ...

    def on_body(self, body: bytes) -> None: ...

    def on_message_complete(self) -> None: ...


class _BehindTheHead:
    """Passes on everything but the first head, which the other parser has read."""

    def __init__(self, requests: ParsedRequests) -> None:
        self._requests = requests
        self._in_first_head = True
        self.on_body, self.on_message_complete = requests.on_body, requests.on_message_complete

    def on_message_begin(self) -> None:
        if not self._in_first_head:
            self._requests.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._in_first_head:
            self._requests.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_first_head:
            self._requests.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._in_first_head:
            self._in_first_head = False
        else:
            self._requests.on_headers_complete()


def parse(requests: ParsedRequests, data: bytes) -> None:
    """Gives the connection's parser what has arrived. Raises HttpParserError."""
    while True:
        try:
            return requests.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            data = _replaced(requests) + data[upgrade.args[0] :]


def _replaced(requests: ParsedRequests) -> bytes:
    """Puts another parser in the place of one that has read the head of such a request. Returns what it has to be given first:
    that head, without the wish for another protocol."""
    before = requests.parser
    requests.parser = httptools.HttpRequestParser(_BehindTheHead(requests))
    requests.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
    lines = [b"POST / HTTP/%b" % before.get_http_version().encode()]
    lines += [b"%b: %b" % header for header in requests.headers if header[0] in _FRAMING]
    lines += [b"connection: keep-alive" if before.should_keep_alive() else b"connection: close", b"", b""]
    return b"\r\n".join(lines)
