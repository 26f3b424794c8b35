"""The bounds of HTTP on one connection, and the answers to a client that exceeds them."""

from __future__ import annotations

MAX_HEADER_BYTES = 32_768
MAX_HEADERS = 128
MAX_URL = 8192
MOST_AHEAD = 16
"""Requests that a client may send before the first of them is answered."""
MOST_STRANGERS_AHEAD = 2
"""The same for requests that are not calls, before a correctly signed call has come on the connection."""
STRANGERS_REQUEST, STRANGERS_HEADER, STRANGERS_BYTE = 0.0003, 1.5e-6, 1e-9
"""Seconds that a stranger's request is taken to cost once it is whole: in all, and for each header and each byte of its body.
Its signature is looked at then, and it is answered."""
MOST_ARRIVED = 1_048_576
"""Bytes of one request as they are sent, with the frames of its chunks and whatever was sent ahead with it."""
FREE_PARTS = 64
SMALL_PART = 64
"""Bytes. Each part of a body, a chunk or a packet, costs a call from the parser, so that a body of single bytes costs as much as
a hundred calls. Beyond the first 64 its parts have to be as large as this on average; no network sends smaller ones by
itself."""
ANSWER_DEADLINE = 180.0
"""Seconds from a call's last byte to its answer; the slowest waits for a turn to make an RSA key."""
REQUEST_DEADLINE = 20.0
"""Seconds from a request's first byte to its last, and for which an answer may lie unread."""
LINGER = 5.0
"""Seconds that a client has to read what was written before we closed the connection; then it is cut."""
LOOK_EVERY = 5.0
UNREAD = 16_384
"""Bytes of an answer that a client may leave unread before no more is written, and they are counted as held."""
KEEP_ALIVE = 75.0
"""Seconds that a connection may be idle once a correctly signed call came on it."""
STRANGERS_KEEP_ALIVE = 10.0
"""The same before a correctly signed call has come on it."""

DoorRefusal = tuple[bytes, bytes]
"""(status, message to the client)."""
MALFORMED: DoorRefusal = (b"400 Bad Request", b"This is not an HTTP/1.1 request.")
TRAILERS: DoorRefusal = (b"400 Bad Request", b"Trailers are not accepted: send all fields before the body.")
IN_TOO_MANY_PARTS: DoorRefusal = (b"413 Content Too Large", b"The body comes in too many small parts.")
NEVER_ENDING: DoorRefusal = (b"413 Content Too Large", b"The request is too large.")
LONG_URL: DoorRefusal = (b"414 URI Too Long", b"The URL is too long.")
LARGE_HEADERS: DoorRefusal = (b"431 Request Header Fields Too Large", b"The headers are too many or too large.")
SLOW: DoorRefusal = (b"408 Request Timeout", b"The request took too long to arrive.")
FAR_AHEAD: DoorRefusal = (b"429 Too Many Requests", b"Too many requests were sent ahead on one connection.")
FULL: DoorRefusal = (b"503 Service Unavailable", b"All connections are taken; try again.")
GIVES_WAY: DoorRefusal = (b"503 Service Unavailable", b"This connection was needed for others; try again.")
