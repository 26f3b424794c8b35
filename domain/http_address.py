"""Which texts are an address of HTTP that a client can use.

Settings, files and policies name such addresses. A client finds a wrong port or host when it is first used, long after the
start, and each library in words of its own.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

HTTP = ("https://", "http://")
FORM = "https:// or http://, a host, and where needed a port from 1 to 65535"
"""What such an address is, for messages."""
_SIX = re.compile(r"\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~-]+)?\](?::[0-9]*)?")
_LABEL = re.compile(rb"[A-Za-z0-9_-]{1,63}")
"""Of a name (RFC 1035, section 2.3.4), and with `_`, which resolvers take."""


def is_http_address(text: str) -> bool:
    """Whether it is `FORM`, and perhaps a user, a path, a query and a fragment."""
    if not text.startswith(HTTP) or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a port of letters or beyond 65535, or a bracket without the other
        return False
    if "\\" in parts.netloc:  # RFC 3986 has none there, and clients read what is behind it in different ways
        return False
    where = parts.netloc.rpartition("@")[2]
    return port != 0 and bool(_SIX.fullmatch(where) if "[" in where else _is_name(host))


def _is_name(host: str) -> bool:
    """Whether a resolver takes it: it encodes a name in the way of IDNA."""
    try:
        labels = host.removesuffix(".").encode("idna").split(b".")
    except UnicodeError:
        return False
    return all(map(_LABEL.fullmatch, labels))
