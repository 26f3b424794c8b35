"""What whoever asks another server over HTTP needs: whom to trust, and an answer's body, up to a bound."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes 10 MB, and most processes ask nobody
    import aiohttp


class TooLong(ValueError):
    """A body is longer than it may be. The message says how long that is."""


async def at_most(content: aiohttp.StreamReader, bytes_: int) -> bytes:
    """The whole body. (`StreamReader.read` returns what has arrived so far.) Raises TooLong."""
    found = bytearray()
    async for part in content.iter_chunked(16_384):
        found += part
        if len(found) > bytes_:
            raise TooLong(f"the answer is longer than {bytes_} bytes")
    return bytes(found)


def trusted_by(ca_file: str) -> ssl.SSLContext:
    """The system's certificates, and those of a file. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
