"""A listening socket. Its connections are taken from the kernel and then wait for their turn by address.

The kernel has one queue for all, in order of arrival. An attacker that connects often enough would make everybody else
wait in that queue, where an attacker and a client look the same.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial

from services.api.door import PROXIED, Door
from services.client_address import group_of, plain

TOGETHER = 8
"""How many connections one turn of the loop takes from the kernel: few, so that workers on one socket share the load."""
TOGETHER_UNDER_PRESSURE = 16
"""The same while strangers are already waiting, so that clients after them in the kernel's queue are found sooner."""
MOST_UNREAD = 65_536
"""How many unread bytes of a connection the kernel keeps. A body has at most four times as many. Each of these bytes
costs time when a connection ends that was never read."""
COST = 0.0006
"""Seconds to make a connection of a socket and to end it, measured."""
AGAIN = 0.1
"""Seconds until the next try if there are no file descriptors left."""

Connect = Callable[[socket.socket], Coroutine[None, None, None]]


class Listener:
    """Takes connections from its creation until `close`. uvicorn's server keeps it like a server of asyncio."""

    def __init__(self, listening: socket.socket, door: Door, connect: Connect) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening
        self._door = door
        self._connect = connect
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, deque[socket.socket]] = {}
        """By address; each socket has a turn in the waiting room."""
        self._closed = False
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MOST_UNREAD)  # its connections inherit this
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Takes no more connections, not even those that are already waiting."""
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
            waiting.popleft().close()  # as at the door, the first stranger gives way
        else:
            room.wait(group, partial(self._take_in_next, group))

    def _take_in_next(self, group: str) -> float:
        waiting = self._waiting.get(group)
        if waiting is None:  # it was closed meanwhile
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
        except OSError:  # the client has left, or its handshake failed
            accepted.close()
