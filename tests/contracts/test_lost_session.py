"""A session that Postgres ends, while the connection to it still stands: as at a failover, or behind a proxy."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from services.adapters.postgres import LOST, Pool, connect
from tests.installation import Installation

PATIENCE = 20.0


class Relay:
    """Between clients and the server. `ended` is set when the server has ended a session; the client's connection stays."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._writers: list[asyncio.StreamWriter] = []
        self.ended = asyncio.Event()

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._join, "127.0.0.1", 0)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, asks = await asyncio.open_unix_connection(self._address)
        self._writers += [writer, asks]
        with suppress(OSError):
            await asyncio.gather(self._pass(reader, asks), self._pass(answers, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        self.ended.set()

    def close(self) -> None:
        for each in self._writers:
            each.close()


@pytest.fixture
def relay(installation: Installation) -> Relay:
    (address,) = Path(installation.settings.postgres.rpartition("host=")[2]).glob(".s.PGSQL.*[0-9]")
    return Relay(str(address))


async def test_it_is_lost_and_not_a_fault_of_ours(installation: Installation, relay: Relay) -> None:
    """A CreateKey during a failover of the database was answered with an internal error, which does not say: try again."""
    settings = installation.settings
    async with asyncio.timeout(PATIENCE), await relay.serve() as server, installation.connected() as beside:
        port = server.sockets[0].getsockname()[1]
        there = settings.postgres.replace("@/", f"@127.0.0.1:{port}/").partition("?")[0]
        pool: Pool = await connect(replace(settings, postgres=there), size=1)
        await beside.execute("SELECT pg_terminate_backend($1)", await pool.fetchval("SELECT pg_backend_pid()"))
        await relay.ended.wait()
        with pytest.raises(LOST):
            await pool.fetchval("SELECT 1")
        assert await pool.fetchval("SELECT 1") == 1, "the next session is another one"
        pool.terminate()
        relay.close()
