"""One child process, which is started again when it dies; slower each time it dies young."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.inherited import piped
from services.logs import logger_of

log = logger_of("supervisor")

FIRST_DELAY = 0.1
LONGEST_DELAY = 2.0
YOUNG = 10.0
"""A child that lived for this many seconds is started again at once when it dies."""


class Child:
    """`command` runs in a session of its own, so that a terminal's Ctrl-C reaches only the supervisor."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: dict[str, str],
        output: Path,
        on_start: Callable[[str, int], None],
        pass_fds: Sequence[int] = (),
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` is the child's complete environment. `secrets` are passed through pipes; each can be read once."""
        self.name = name
        self.restarts = 0
        self._command = command
        self._environment = environment
        self._output = output
        self._on_start = on_start
        self._pass_fds = tuple(pass_fds)
        self._secrets = secrets or {}
        self._process: asyncio.subprocess.Process | None = None
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
            with self._output.open("ab") as output, piped(self._secrets) as (variables, descriptors):
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    env={**self._environment, **variables},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=self._pass_fds + descriptors,
                )
            self._process = process
            self._on_start(self.name, process.pid)
            code = await process.wait()
            self.restarts += 1
            delay = FIRST_DELAY if time.monotonic() - began > YOUNG else min(delay * 2, LONGEST_DELAY)
            log.warning("child ended; starting it again", name=self.name, code=code, delay=delay)
            await asyncio.sleep(delay)

    async def stop(self, deadline: float) -> None:
        """Ask the child to end; after `deadline` seconds, kill it."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
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
