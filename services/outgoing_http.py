"""What whoever asks another server over HTTP needs: whom to trust, and an answer's body, up to a bound."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes 10 MB, and most processes ask nobody
    import aiohttp


class TooLong(ValueError):
    """A body is longer than it may be. The message says how long that is."""


async def at_most(content: aiohttp.StreamReader, bytes_: int) -> bytes:
    """The whole body. Raises TooLong."""
    found = await beginning(content, bytes_ + 1)
    if len(found) > bytes_:
        raise TooLong(f"the answer is longer than {bytes_} bytes")
    return found


async def beginning(content: aiohttp.StreamReader, bytes_: int) -> bytes:
    """The body, and of a longer one so many bytes. (`StreamReader.read` returns what has arrived so far.)"""
    found = bytearray()
    async for part in content.iter_chunked(16_384):
        found += part
        if len(found) >= bytes_:
            break
    return bytes(found[:bytes_])


def trusted_by(ca_file: str) -> ssl.SSLContext:
    """The system's certificates, and those of a file. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def why_no_answer(fault: Exception) -> str:
    """Why a request of aiohttp had no answer, in words for an operator. aiohttp's own name its parts, and may quote an address,
    which is a secret where it authorises."""
    import aiohttp

    match fault:
        case TooLong():
            return str(fault)
        case aiohttp.InvalidURL() | UnicodeError():
            return "nobody can be asked at such an address: look at its host and port"
        case aiohttp.ClientConnectorDNSError():
            return "its name has no address: look at the name, and at this machine's resolver"
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted; name a file with the certificates of its issuer"
        case aiohttp.ClientSSLError():
            return "no TLS came about: look what listens there, and whether http:// is meant"
        case aiohttp.ClientConnectorError():
            errno = fault.os_error.errno
            return f"it cannot be reached: {os.strerror(errno) if errno else 'none of its addresses answers'}"
        case TimeoutError():
            return "it did not answer in time"
        case aiohttp.ServerDisconnectedError():
            return "it ended the connection without an answer"
        case OSError() if fault.errno:
            return f"the connection broke: {os.strerror(fault.errno)}"
        case aiohttp.ClientConnectionError():
            return "the connection broke"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "what it answers is not HTTP: look what listens there"
    return type(fault).__name__
