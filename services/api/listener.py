"""A listening socket whose connections wait for their turn by address, once they are taken from the kernel.

The kernel has one queue for all, in the order in which they came: an attacker that connects often enough would make
everybody else wait in that queue, where nothing tells an attacker from a client.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial

from services.api.door import PROXIED, Door, group_of, plain

TOGETHER = 8
"""Connections that one turn of the loop takes from the kernel: few, so that workers on one socket share what comes."""
TOGETHER_UNDER_PRESSURE = 16
"""The same while strangers wait already: whoever is in the kernel's queue behind them is found sooner."""
MOST_UNREAD = 65_536
"""Bytes that the kernel keeps of what a connection sent and nobody has read: a body has four times that at most, and each of
those bytes costs time when a connection ends that was never read."""
COST = 0.0006
"""Seconds that it takes to make a connection of a socket and to end it, measured."""
AGAIN = 0.1
"""Seconds until the next try where there are no file descriptors."""

Connect = Callable[[socket.socket], Coroutine[None, None, None]]


class Listener:
    """Takes connections from the time it is made until `close`. uvicorn's server keeps it as one of asyncio's."""

    def __init__(self, listening: socket.socket, door: Door, connect: Connect) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening
        self._door = door
        self._connect = connect
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, deque[socket.socket]] = {}
        """By address; each has a turn in the waiting room."""
        self._closed = False
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MOST_UNREAD)  # its connections have it from the start
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Take no more connections, not even those that wait already."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for waiting in self._waiting.values():
            for each in waiting:
                each.close()
        self._waiting.clear()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(TOGETHER if self._door.waiting_room.is_free else TOGETHER_UNDER_PRESSURE):
            try:
                accepted, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(self._socket)
                self._loop.call_later(AGAIN, self._listen_again)
                return
            accepted.setblocking(False)
            self._receive(accepted, plain(peer[0]))

    def _listen_again(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._socket, self._accept)

    def _receive(self, accepted: socket.socket, source: str) -> None:
        room = self._door.waiting_room
        group = PROXIED if source in self._door.proxies else group_of(source)
        if room.is_free or group == PROXIED:
            room.do_now(partial(self._take_in, accepted))
            return
        waiting = self._waiting.setdefault(group, deque())
        waiting.append(accepted)
        if len(waiting) > self._door.by_address:
            waiting.popleft().close()  # as at the door, the stranger that came first gives way
        else:
            room.wait(group, partial(self._take_in_next, group))

    def _take_in_next(self, group: str) -> float:
        waiting = self._waiting.get(group)
        if waiting is None:  # closed meanwhile
            return 0.0
        accepted = waiting.popleft()
        if not waiting:
            del self._waiting[group]
        return self._take_in(accepted)

    def _take_in(self, accepted: socket.socket) -> float:
        task = self._loop.create_task(self._made(accepted))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return COST

    async def _made(self, accepted: socket.socket) -> None:
        try:
            await self._connect(accepted)
        except OSError:  # it has gone, or its handshake failed
            accepted.close()
