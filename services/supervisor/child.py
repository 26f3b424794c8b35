"""One child process, which is started again when it dies; slower each time it dies young."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from services.inherited import piped
from services.logs import logger_of

log = logger_of("supervisor")

FIRST_DELAY = 0.1
LONGEST_DELAY = 2.0
YOUNG = 10.0
"""A child that lived for this many seconds is started again at once when it dies."""


class Started(Protocol):
    """A process, as asyncio has it."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...


Start = Callable[[int, int], Awaitable[Started]]
"""Starts a process, given the descriptors of its output and its errors. Its session is its own, so that a terminal's Ctrl-C
reaches only the supervisor. Nothing comes on its standard input."""


def executing(
    command: Sequence[str],
    environment: Mapping[str, str],
    secrets: Mapping[str, str] | None = None,
    passed: Mapping[str, int] | None = None,
) -> Start:
    """A start of any program. `environment` is complete but for the secrets, which are passed through pipes, each of which can be
    read once, and for `passed`: variables that have the number of a descriptor."""
    passed = passed or {}

    async def start(output: int, errors: int) -> Started:
        with piped(secrets or {}) as (variables, descriptors):
            return await asyncio.create_subprocess_exec(
                *command,
                env={**environment, **variables, **{name: str(each) for name, each in passed.items()}},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                pass_fds=(*descriptors, *passed.values()),
            )

    return start


class Child:
    def __init__(self, name: str, start: Start, output: Path, on_start: Callable[[str, int], None]) -> None:
        self.name = name
        self.restarts = 0
        self._start = start
        self._output = output
        self._on_start = on_start
        self._process: Started | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        delay = FIRST_DELAY
        while True:
            began = time.monotonic()
            try:
                with self._output.open("ab") as output:
                    process = await self._start(output.fileno(), output.fileno())
            except OSError as fault:  # a full disk, or no further process or descriptor: it may end
                delay = min(delay * 2, LONGEST_DELAY)
                log.error("child cannot be started; trying again", name=self.name, fault=str(fault), delay=delay)
                await asyncio.sleep(delay)
                continue
            self._process = process
            ended = asyncio.ensure_future(process.wait())
            while not (self._is_told(process.pid) or ended.done()):
                await asyncio.wait({ended}, timeout=LONGEST_DELAY)
            code = await ended
            self.restarts += 1
            delay = FIRST_DELAY if time.monotonic() - began > YOUNG else min(delay * 2, LONGEST_DELAY)
            log.warning("child ended; starting it again", name=self.name, code=code, delay=delay)
            await asyncio.sleep(delay)

    def _is_told(self, pid: int) -> bool:
        """Tell who keeps the processes' ids. If that fails, it has to be told again: after `kill -9` nobody else would end it."""
        try:
            self._on_start(self.name, pid)
        except OSError as fault:
            log.error("the child runs, and its process id cannot be kept", name=self.name, pid=pid, fault=str(fault))
            return False
        return True

    async def stop(self, deadline: float) -> None:
        """Ask the child to end; after `deadline` seconds, kill it."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(deadline):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
