"""Asks the fork server for our processes. To start each of them anew takes up to a second of processor time, nearly all of it
for the same imports, which each then holds in memory for itself.

A process is held by a descriptor of its own (pidfd_open(2)), so a signal never reaches another that got its number. If the
server is killed, what it forked goes on and is watched by these descriptors; the next process comes from a new server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence

from services.inherited import piped, python
from services.logs import logger_of
from services.supervisor.child import Start

log = logger_of("supervisor")

THERE = "KEYTRAIL_FORK_SERVER"
"""Not a setting: the path of a socket at which tests offer one fork server to all their installations."""
KIND = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
LONGEST_ANSWER = 4096
AGAIN_AFTER = 0.1
UNKNOWN = -1
"""The exit code of a process whose fork server was killed before it."""


class Fork:
    """One process, with the methods of asyncio's that its keeper uses."""

    def __init__(self, pid: int, held: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._held = held
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError."""
        if self.returncode is not None:
            raise ProcessLookupError
        signal.pidfd_send_signal(self._held, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def ended(self, code: int) -> None:
        if self.returncode is None:
            self.returncode = code
            os.close(self._held)
            self._ended.set()

    def watch(self) -> None:
        """Nobody tells of its end any more. Its descriptor can be read from then on."""
        loop, held = asyncio.get_running_loop(), self._held

        def at_end() -> None:
            loop.remove_reader(held)
            self.ended(UNKNOWN)

        loop.add_reader(held, at_end)


class Forks:
    """One fork server and what it forked."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is the server's own; each process gets one that is complete."""
        self._environment = dict(environment)
        self._server: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._answer: asyncio.Future[Fork] | None = None
        self._running: dict[int, Fork] = {}

    def begin(self) -> None:
        """Start the server, which begins to import. Meanwhile other servers can start."""
        if self._server is None:
            self._server = self._reached()
            asyncio.get_running_loop().add_reader(self._server, self._read)

    def _reached(self) -> socket.socket:
        if os.environ.get(THERE):
            found = socket.socket(*KIND)
            found.connect(os.environ[THERE])
        else:
            found, its = socket.socketpair(*KIND)
            with its:
                self._process = subprocess.Popen(  # noqa: S603  # our own module
                    [*python("services.supervisor.fork_server"), str(its.fileno())],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[its.fileno()],
                    start_new_session=True,  # a terminal's Ctrl-C reaches only the supervisor
                )
        found.setblocking(False)
        return found

    def starting(
        self,
        name: str,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        passed: Mapping[str, int] | None = None,
    ) -> Start:
        """A start of `program`, one of PROGRAMS. `secrets` reach it through pipes, `passed` are variables that have the number of
        a descriptor."""
        asked = {
            "name": name,
            "program": program,
            "arguments": list(arguments),
            "environment": dict(environment),
            "secrets": list(secrets),
            "passed": list(passed or {}),
        }
        message = json.dumps(asked).encode()

        async def start(output: int, errors: int) -> Fork:
            async with self._one_at_a_time:
                while True:
                    try:
                        with piped(secrets) as (_, descriptors):
                            return await self._asked(message, (output, errors, *descriptors, *(passed or {}).values()))
                    except ConnectionError:
                        await asyncio.sleep(AGAIN_AFTER)

        return start

    async def _asked(self, message: bytes, descriptors: Sequence[int]) -> Fork:
        """Raises ConnectionError if the server ended."""
        self.begin()
        assert self._server is not None, "it has begun"
        answer = self._answer = asyncio.get_running_loop().create_future()
        try:
            socket.send_fds(self._server, [message], descriptors)
        except ConnectionError:
            self._is_lost()
            raise
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            # It will exist. Nobody else knows of it, so it has to be awaited and ended here.
            with contextlib.suppress(ConnectionError, ProcessLookupError):
                (await answer).kill()
            raise

    def _read(self) -> None:
        assert self._server is not None, "it is read while it is there"
        message, held = b"", list[int]()
        with contextlib.suppress(ConnectionError):
            message, held, _, _ = socket.recv_fds(self._server, LONGEST_ANSWER, 1)
        match json.loads(message or "{}"):
            case {"started": pid} if held:  # none comes where this process has no descriptor left
                fork = self._running[pid] = Fork(pid, held[0])
                assert self._answer is not None, "it was asked"
                self._answer.set_result(fork)
            case {"ended": pid, "code": code}:
                self._running.pop(pid).ended(code)
            case _:
                log.error("the fork server ended; the next process gets a new one")
                self._is_lost()

    def _is_lost(self) -> None:
        self.stop()
        for fork in self._running.values():
            fork.watch()
        self._running.clear()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the fork server ended"))

    def stop(self) -> None:
        """End the server. What it forked goes on."""
        if self._server is not None:
            asyncio.get_running_loop().remove_reader(self._server)
            self._server.close()
            self._server = None
        if self._process is not None:
            self._process.wait()
            self._process = None


def can_fork() -> bool:
    """Whether this kernel has descriptors of processes. Linux has, since 5.3; some sandboxes have not."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True
