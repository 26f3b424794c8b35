"""A step of a start that needs much of Keytrail, in a process that ends with the step (start_steps.py).

`keytrail up` runs for months and only watches. It does not hold the clients of Kafka and Postgres, the vault and the alert rules
in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from services.inherited import piped, python

CONTROLLER_PASSWORD = "KEYTRAIL_CONTROLLER_PASSWORD"  # noqa: S105  # the name of a variable


class StepRefused(Exception):
    """The message says why, and what to do."""


async def answer_of(
    step: str,
    *arguments: object,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Any:
    """Run a step and return its answer. `environment` is complete but for the secrets. If the caller is cancelled meanwhile,
    the step's process is ended. Raises StepRefused."""
    with piped(secrets) as (variables, descriptors):
        process = await asyncio.create_subprocess_exec(
            *python("services.supervisor.start_steps"),
            step,
            *map(str, arguments),
            env={**environment, **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C reaches only the supervisor
            pass_fds=descriptors,
        )
    assert process.stdout is not None, "it is a pipe"
    try:
        async for line in process.stdout:
            match json.loads(line):
                case {"done": done, "of": count}:
                    progress(done, count)
                case {"refused": message}:
                    raise StepRefused(message)
                case {"answer": answer}:
                    return answer
        raise StepRefused(f"The start ended at the step {step!r}, which gave no answer.")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
