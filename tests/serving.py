"""One bundled broker and one bundled Postgres for a run of the tests, shared by its installations. A pair of servers costs
three seconds of processor time to start, and its JVM a few more until it has compiled what it runs. Then it takes a
twentieth of a core while nobody calls.

They belong to a process that starts them when the first share is asked for. It ends with its standard input, and so with
pytest, however pytest ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import traceback
from itertools import count
from pathlib import Path

import asyncpg

from domain.ports import Unavailable
from services.adapters import scram
from services.adapters.bundled import class_caches, jars, login
from services.adapters.bundled.kafka import BundledKafka
from services.adapters.bundled.ports import free_ports, listening
from services.adapters.bundled.postgres import SETTINGS, BundledPostgres
from services.adapters.kafka import administering
from services.inherited import for_server
from services.logs import quiet
from services.settings import load

DEADLINE = 90.0


class SharedServers:
    def __init__(self, folder: Path) -> None:
        self._postgres = BundledPostgres(folder / "postgres", SETTINGS | {"max_connections": "1000"})
        paths = jars.class_path(jars.CACHE, lambda done, of: None)
        for_clients, for_controllers = free_ports(2)
        self._kafka = BundledKafka(folder / "kafka", paths, for_clients, for_controllers)
        self._broker: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    async def start(self) -> None:
        self._kafka.prepare()
        self._settings = login.applied(load({}), self._kafka.bootstrap, login.kept(self._kafka.folder))
        self._broker = broker = self._started()
        self._postgres.prepare()
        self._postgres.start()
        async with asyncio.timeout(DEADLINE):
            while broker.poll() is None:
                if {self._kafka.port, self._kafka.controller_port} <= listening(broker.pid):
                    with contextlib.suppress(Unavailable):  # it listens a moment before it lets anybody in
                        given = self._kafka.controller_password
                        return await scram.tell(self._kafka.controller_port, given, self._settings.kafka_password)
                await asyncio.sleep(0.05)
        raise RuntimeError(self._output.read_text())

    @property
    def _output(self) -> Path:
        return self._kafka.folder / "logs" / "output.log"

    def _started(self) -> subprocess.Popen[bytes]:
        with self._output.open("ab") as output:
            return subprocess.Popen(self._kafka.command(), env=for_server(), stdout=output, stderr=output)

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.kill()  # nobody reads its data again
            self._broker.wait()
        self._postgres.stop()

    async def share(self) -> tuple[str, dict[str, str]]:
        """The name of a new database and of a topic prefix, and the settings that lead there."""
        name = f"shared{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name}")
        settings = self._settings.environment() | self._settings.secrets()
        postgres = self._postgres.dsn.replace("/keytrail?", f"/{name}?")
        return name, settings | {"KEYTRAIL_POSTGRES": postgres, "KEYTRAIL_TOPIC_PREFIX": name}

    async def drop(self, name: str) -> None:
        await self._execute(f"DROP DATABASE {name} WITH (FORCE)")
        async with administering(self._settings) as client:
            await client.delete_topics([each for each in await client.list_topics() if each.startswith(f"{name}.")])

    async def _execute(self, statement: str) -> None:
        server = await asyncpg.connect(self._postgres.dsn)
        try:
            await server.execute(statement)
        finally:
            await server.close()


class Serving:
    """Gives a share to each connection, for as long as it lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: SharedServers | None = None
        self._starting = asyncio.Lock()

    async def _started(self) -> SharedServers:
        async with self._starting:
            if self._servers is None:
                self._servers = SharedServers(self._folder)
                await self._servers.start()
            return self._servers

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            try:
                servers = await self._started()
                name, settings = await servers.share()
            except Exception:  # noqa: BLE001  # the test that asked shows it
                writer.write(json.dumps({"failed": traceback.format_exc()}).encode() + b"\n")
                return
            writer.write(json.dumps(settings).encode() + b"\n")
            # It is cancelled when the servers end. Python 3.11's streams would print that as an error.
            with contextlib.suppress(asyncio.CancelledError):
                await reader.read()  # until the other side is closed
                await servers.drop(name)

    def stop(self) -> None:
        if self._servers is not None:
            self._servers.stop()
        shutil.rmtree(self._folder)


async def serve(listening: socket.socket, folder: Path) -> None:
    os.environ[class_caches.WANTED] = "1"
    serving, ended = Serving(folder), asyncio.Event()
    server = await asyncio.start_unix_server(serving.connected, sock=listening)
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, ended.set)
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ended.set)
    await ended.wait()
    server.close()
    serving.stop()


if __name__ == "__main__":
    quiet()  # aiokafka warns of a password in the clear, which goes to this machine alone
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])))
