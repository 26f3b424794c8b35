"""Reads the body of an HTTP answer, up to a bound."""

from __future__ import annotations

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
