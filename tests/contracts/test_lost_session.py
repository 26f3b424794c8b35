"""A session that is lost while the connection to it still stands: as at a failover, behind a proxy, or when a host loses its
power."""

from __future__ import annotations

import asyncio
import multiprocessing
from contextlib import suppress
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.postgres import LOST, Pool, connect
from services.runtime.processes import LOOK_EVERY, alone
from services.settings import Settings
from tests.installation import Installation

PATIENCE = 20.0


class Relay:
    """Between clients and the server. `ended` is set when the server has ended a session; the client's connection stays. While it
    is `silent`, it takes what comes and passes nothing on, as a network does that was cut."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._writers: list[asyncio.StreamWriter] = []
        self.ended = asyncio.Event()
        self.silent = False

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._join, "127.0.0.1", 0)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, asks = await asyncio.open_unix_connection(self._address)
        self._writers += [writer, asks]
        with suppress(OSError):
            await asyncio.gather(self._pass(reader, asks), self._pass(answers, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            if not self.silent:
                writer.write(piece)
                await writer.drain()
        self.ended.set()

    def close(self) -> None:
        for each in self._writers:
            each.close()


def relayed(settings: Settings, server: asyncio.Server) -> Settings:
    """The same database behind a relay."""
    port = server.sockets[0].getsockname()[1]
    there = settings.postgres.replace("@/", f"@127.0.0.1:{port}/").partition("?")[0]
    return replace(settings, postgres=there)


@pytest.fixture
def relay(installation: Installation) -> Relay:
    (address,) = Path(installation.settings.postgres.rpartition("host=")[2]).glob(".s.PGSQL.*[0-9]")
    return Relay(str(address))


async def test_it_is_lost_and_not_a_fault_of_ours(installation: Installation, relay: Relay) -> None:
    """A CreateKey during a failover of the database was answered with an internal error, which does not say: try again."""
    settings = installation.settings
    async with asyncio.timeout(PATIENCE), await relay.serve() as server, installation.connected() as beside:
        pool: Pool = await connect(relayed(settings, server), size=1)
        await beside.execute("SELECT pg_terminate_backend($1)", await pool.fetchval("SELECT pg_backend_pid()"))
        await relay.ended.wait()
        with pytest.raises(LOST):
            await pool.fetchval("SELECT 1")
        assert await pool.fetchval("SELECT 1") == 1, "the next session is another one"
        pool.terminate()
        relay.close()


async def test_the_server_asks_whether_a_client_is_still_there(installation: Installation) -> None:
    """A notifier whose machine had lost its power kept the lock for two hours, and so the one that stood by sent nothing."""
    async with installation.connected() as pool:
        asked = "SELECT source FROM pg_settings WHERE name LIKE 'tcp\\_keepalives\\_%'"
        assert [each["source"] for each in await pool.fetch(asked)] == ["client"] * 3


def works_alone(settings: Settings, works: Event) -> None:
    """A process that works once it has the lock."""
    asyncio.run(_works_alone(settings, works))


async def _works_alone(settings: Settings, works: Event) -> None:
    await alone(await connect(settings, size=1), AdvisoryLock.VERIFY, "notifier")
    works.set()
    await asyncio.Event().wait()


async def test_a_process_that_works_alone_ends_when_its_session_falls_silent(
    installation: Installation, relay: Relay
) -> None:
    """The primary's host had lost its power. The other one got the lock from the host that was promoted, and two notifiers sent every
    message."""
    spawning = multiprocessing.get_context("spawn")
    works = spawning.Event()
    async with await relay.serve() as server:
        settings = relayed(installation.settings, server)
        process = spawning.Process(target=works_alone, args=(settings, works))
        process.start()
        try:
            assert await asyncio.to_thread(works.wait, PATIENCE)
            await asyncio.to_thread(process.join, 2 * LOOK_EVERY)
            assert process.is_alive(), "the session answers"
            relay.silent = True
            await asyncio.to_thread(process.join, PATIENCE)
            assert process.exitcode == 75
        finally:
            process.kill()
            process.join()
            relay.close()
