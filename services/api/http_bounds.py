"""The bounds of HTTP on one connection, and the answers to a client that exceeds them."""

from __future__ import annotations

MAX_HEADER_BYTES = 32_768
MAX_HEADERS = 128
MAX_URL = 8192
MOST_AHEAD = 16
"""How many requests a client may send ahead while the first is still unanswered."""
MOST_STRANGERS_AHEAD = 2
"""The same for requests that are not calls, before the connection has had a correctly signed call."""
STRANGERS_REQUEST, STRANGERS_HEADER, STRANGERS_BYTE = 0.0003, 1.5e-6, 1e-9
"""The estimated seconds that a stranger's complete request costs: in all, for each header, and for each byte of its
body. Its signature is checked then, and it is answered."""
MOST_ARRIVED = 1_048_576
"""The most bytes of one request as sent, including the frames of its chunks and any requests sent ahead with it."""
FREE_PARTS = 64
SMALL_PART = 64
"""Bytes. Each part of a body, a chunk or a packet, costs a call from the parser, so a body of single bytes costs as
much as a hundred calls. After the first 64 parts, the average part has to be this large; no network makes smaller ones
by itself."""
ANSWER_DEADLINE = 180.0
"""Seconds from a call's last byte to its answer. The slowest call waits for its turn to make an RSA key."""
REQUEST_DEADLINE = 20.0
"""Seconds from a request's first byte to its last. Also how many seconds an answer may stay unread."""
LINGER = 5.0
"""Seconds in which a client can read what was written before the connection was closed; then it is cut."""
LOOK_EVERY = 5.0
UNREAD = 16_384
"""Bytes. If a client leaves more of an answer unread, no more is written, and these bytes count as held."""
KEEP_ALIVE = 75.0
"""Seconds that a connection may be idle after a correctly signed call."""
STRANGERS_KEEP_ALIVE = 10.0
"""The same before the connection has had a correctly signed call."""

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
