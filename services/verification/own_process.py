"""Runs a verification for an API worker, in a process of its own: it takes a processor for minutes, and the worker answers calls.

The process gives way to calls, and ends with the answer that it works for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from domain.verification.log import Expected
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.postgres import connect_alone
from services.inherited import BUNDLED_KAFKA, for_own, piped, python
from services.settings import Settings

LONGEST_LINE = 64 << 20
QUIET = 1.0
"""Seconds after which the last progress is told again, so that a reader sees that work goes on."""


class AlreadyVerifying(Exception):
    """Another answer verifies this installation now."""


class NotVerified(Exception):
    """The process could not verify. The message is the name of the fault; what it wrote stands in the worker's log."""


@asynccontextmanager
async def alone(settings: Settings) -> AsyncIterator[None]:
    """One verification at a time for each installation, whichever worker was asked. The lock ends with its connection, so a
    killed worker leaves none. Raises AlreadyVerifying, Unavailable."""
    connection = await connect_alone(settings)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", AdvisoryLock.VERIFY):
            raise AlreadyVerifying
        yield
    finally:
        connection.terminate()


async def verifying(
    settings: Settings, expected: Expected | None, *, projections: bool
) -> AsyncGenerator[dict[str, Any], None]:
    """Yields `{"step", "done", "of"}` at least once a second, and `{"result"}` at the end. Raises NotVerified."""
    process = await _started(settings, expected, projections=projections)
    assert process.stdout is not None, "it is a pipe"
    last: dict[str, Any] = {"step": "starting", "done": 0, "of": 0}
    try:
        yield last
        while True:
            try:
                async with asyncio.timeout(QUIET):
                    line = await process.stdout.readline()
            except TimeoutError:
                yield last
                continue
            match json.loads(line or "{}"):
                case {"result": _} as found:
                    yield found
                    return
                case {"step": _} as last:
                    yield last
                case {"failed": why}:
                    raise NotVerified(why)
                case _:
                    raise NotVerified("its process ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _started(settings: Settings, expected: Expected | None, *, projections: bool) -> asyncio.subprocess.Process:
    marks = {BUNDLED_KAFKA: os.environ[BUNDLED_KAFKA]} if BUNDLED_KAFKA in os.environ else {}
    with piped(settings.secrets()) as (variables, descriptors):
        return await asyncio.create_subprocess_exec(
            *python("services.verification"),
            *(("--expect", f"{expected.position}:{expected.digest}") if expected is not None else ()),
            *(() if projections else ("--topics-only",)),
            env=for_own() | settings.environment() | marks | variables,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,
            pass_fds=descriptors,
        )
