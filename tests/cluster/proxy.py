"""A proxy before each broker, for one machine of the cluster: it makes the way slow, which this needs no kernel for.

Brokers tell a client the addresses of the listener by which it came. So each has a listener whose address is the proxy's, and whoever
begins there stays behind the proxy.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress

PIECE = 65_536


class Proxy:
    """`ways`: for each, (the port to listen on, the address and port that it stands for). `delay`: seconds that each piece of what is
    sent waits on its way, in either direction."""

    def __init__(self, host: str, ways: Sequence[tuple[int, str, int]]) -> None:
        self.delay = 0.0
        self._host = host
        self._ways = ways
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(10), "the proxy does not listen"
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        for each in self._servers:
            each.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self) -> None:
        for port, address, target in self._ways:

            async def connected(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str = address, target: int = target
            ) -> None:
                await self._between(reader, writer, address, target)

            self._servers.append(await asyncio.start_server(connected, self._host, port))

    async def _between(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, target: int
    ) -> None:
        with suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection(address, target)
            await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pieces keep their order, and many can be on their way at once."""
        loop, on_the_way = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

        async def arrive() -> None:
            while True:
                due, piece = await on_the_way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not piece:
                    writer.close()
                    return
                writer.write(piece)
                await writer.drain()

        arriving = asyncio.create_task(arrive())
        try:
            while piece := await reader.read(PIECE):
                on_the_way.put_nowait((loop.time() + self.delay, piece))
        except OSError:
            pass
        on_the_way.put_nowait((loop.time(), b""))
        with suppress(OSError):
            await arriving
