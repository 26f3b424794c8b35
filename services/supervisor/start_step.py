"""A step of a start that needs much of Keytrail, in a process that ends with the step (start_steps.py).

`keytrail up` runs for months and only watches. It does not hold the clients of Kafka and Postgres, the vault and the alert rules
in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO

from services.settings import Settings
from services.supervisor.child import Start

CONTROLLER_PASSWORD = "KEYTRAIL_CONTROLLER_PASSWORD"  # noqa: S105  # the name of a variable

READ_FIRST = (
    *("services_file", "sign_in_providers_file", "witness_policy_file", "traces_endpoint"),
    *("alerts_file", "audit_devices_file", "kafka_ca", "kafka_cert", "postgres_ca", "oidc_ca"),
)
"""The settings that the step `read-files` has something to read for (start_steps.py). An installation without any of them starts
without the step: its process takes a sixth of a second."""
NOTHING_WANTED = {"notifiers": False, "audit_devices": False}
"""What `read-files` answers if no file names any of them."""


class StepRefused(Exception):
    """The message says why, and what to do."""


def have_files(settings: Settings) -> bool:
    return any(getattr(settings, each) for each in READ_FIRST)


async def answer_of(
    start: Start,
    step: str,
    progress: Callable[[int, int], None] = lambda done, count: None,
    waits: Callable[[str], None] = lambda why: None,
) -> Any:
    """Start the process of a step and return the step's answer. `waits` is told what the step waits for. If the caller is
    cancelled meanwhile, the process is ended. Raises StepRefused."""
    async with _pipe() as (lines, into):
        process = await start(into.fileno(), sys.stderr.fileno())
        into.close()
        try:
            async for line in lines:
                match json.loads(line):
                    case {"done": done, "of": count}:
                        progress(done, count)
                    case {"waits": why}:
                        waits(why)
                    case {"refused": message}:
                        raise StepRefused(message)
                    case {"answer": answer}:
                        return answer
            raise StepRefused(f"The start ended at the step {step!r}, which gave no answer.")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, BinaryIO]]:
    """What comes out of a pipe, and the file that leads into it."""
    out, into = os.pipe()
    lines = asyncio.StreamReader()
    with os.fdopen(out, "rb") as file, os.fdopen(into, "wb") as written:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), file)
        try:
            yield lines, written
        finally:
            transport.close()
