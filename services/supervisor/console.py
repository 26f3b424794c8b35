"""The build of the console, beside a start: it takes a minute once, and nothing waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from services.inherited import for_build, for_own, python


class ConsoleBuild:
    """The process that builds. `output` is its log."""

    def __init__(self, output: Path, tell: Callable[[str], None]) -> None:
        self._output = output
        self._tell = tell

    async def run(self) -> str | None:
        """Build. Returns why it failed and what to do; None if the console is there. If the caller is cancelled meanwhile, the
        process and what it started are ended."""
        with self._output.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *python("services.console.build"),
                env=for_own() | for_build(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        assert process.stdout is not None, "it is a pipe"
        try:
            async for line in process.stdout:
                match json.loads(line):
                    case {"doing": what}:
                        self._tell(what)
                    case {"failed": why}:
                        return self._failed(why)
                    case {"built": _}:
                        return None
            return self._failed("The build ended without an answer.")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def _failed(self, why: str) -> str:
        return (
            f"The console could not be built, and Keytrail runs without it. {why} See {self._output} for more. "
            "Start again to build it again, or set KEYTRAIL_CONSOLE=off."
        )
