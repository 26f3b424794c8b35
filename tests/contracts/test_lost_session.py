"""A session that is lost while the connection to it still stands: as at a failover, behind a proxy, or when a host loses its
power."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from domain.ports import Unavailable
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.postgres import LOST, Pool, connect
from services.runtime.bootstrap import open_vault
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
        self._joined: set[asyncio.Task[Any]] = set()
        self.ended = asyncio.Event()
        self.silent = False

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._join, "127.0.0.1", 0)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._joined.add(task)
        self._writers.append(writer)
        answers, asks = await asyncio.open_unix_connection(self._address)
        self._writers.append(asks)
        with suppress(OSError):
            await asyncio.gather(self._pass(reader, asks), self._pass(answers, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            if not self.silent:
                writer.write(piece)
                await writer.drain()
        self.ended.set()

    async def close(self) -> None:
        """Also what has just come, and is not joined yet."""
        await asyncio.sleep(0)
        for each in self._joined:
            each.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


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
        await relay.close()


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
            await relay.close()


async def test_nobody_waits_for_a_session_behind_all_others(installation: Installation, relay: Relay) -> None:
    """The server stopped answering. Each connection was given five seconds, and each call waited for those of all before it: a
    thousand calls for ten minutes."""
    async with asyncio.timeout(PATIENCE), await relay.serve() as server:
        pool = await connect(relayed(installation.settings, server), size=2, patience=1.0)
        relay.silent = True
        await pool.expire_connections()
        calls = (pool.fetchval("SELECT 1") for _ in range(50))
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [each for each in found if not isinstance(each, LOST)] == []
        pool.terminate()
        await relay.close()


async def test_a_session_that_takes_no_writes_is_not_used_again(database: Settings) -> None:
    """A name led to the former primary for some seconds after a failover. CreateKey was answered with an internal error until the
    process was started again, or its sessions had idled out."""
    async with database_without_writes(database):
        before = await asyncpg.create_pool(database.postgres, min_size=1, max_size=1)
    vault = open_vault(database, before)
    with pytest.raises(Unavailable):
        await vault.destroy(["nothing"])
    assert await vault.destroy(["nothing"]) == 0
    await before.close()


async def test_no_session_begins_where_no_writes_are_taken(database: Settings) -> None:
    """Also with one name or address in the DSN, which may be that of several hosts."""
    async with database_without_writes(database):
        with pytest.raises(Unavailable):
            await connect(database)
    await (await connect(database)).close()


@asynccontextmanager
async def database_without_writes(database: Settings) -> AsyncIterator[None]:
    """Its new sessions take none. It has the tables of a vault."""
    pool = await connect(database, size=1)
    await open_vault(database, pool).migrate()
    name = await pool.fetchval("SELECT current_database()")
    await pool.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    yield
    await pool.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await pool.close()
