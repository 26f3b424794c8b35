"""What an operator is told of a server that gives no answer: the same words for a collector, a witness and a receiver of alerts, and
never the address, which is a secret where it authorises."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from services.outgoing_http import why_no_answer
from tests.installation import free_port

SECRET = "/T0000/hidden"


async def said_of(url: str) -> str:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        with pytest.raises((aiohttp.ClientError, OSError, ValueError)) as fault:
            await session.post(url + SECRET, data=b"x")
    return why_no_answer(fault.value)


async def said_of_server(answer: bytes, scheme: str = "http") -> str:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        return await said_of(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_a_port_on_which_nothing_listens() -> None:
    for host in ("127.0.0.1", "localhost"):
        assert (await said_of(f"http://{host}:{free_port()}")).startswith("it cannot be reached: ")
    assert await said_of(f"http://127.0.0.1:{free_port()}") == "it cannot be reached: Connection refused"


async def test_a_name_without_an_address() -> None:
    assert (await said_of("http://collector.invalid")).startswith("its name has no address")


async def test_a_port_that_speaks_no_tls() -> None:
    assert (await said_of_server(b"HTTP/1.1 200 OK\r\n\r\n", "https")).startswith("no TLS came about")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "it ended the connection without an answer"),
        (b"220 mail.example.com ESMTP\r\n", "what it answers is not HTTP: look what listens there"),
    ],
)
async def test_a_server_that_is_something_else(answer: bytes, said: str) -> None:
    assert await said_of_server(answer) == said


async def test_an_address_that_no_client_can_use() -> None:
    """A start refuses it. A witness's or a provider's own answer may name one."""
    for url in ("http://127.0.0.1:99999", "http://[::1", "http://:4318", f"http://{'a' * 64}.example"):
        assert await said_of(url) == "nobody can be asked at such an address: look at its host and port"


async def test_an_address_that_is_a_secret_is_not_quoted() -> None:
    for url in ("http://127.0.0.1:99999", "nonsense://x", f"http://127.0.0.1:{free_port()}"):
        assert "hidden" not in await said_of(url)
