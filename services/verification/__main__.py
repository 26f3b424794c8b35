"""`python -m services.verification [--expect POSITION:DIGEST] [--topics-only]`: one verification for an API worker
(own_process.py), under the settings of the environment. It writes JSON objects to standard output, one on each line: its
progress, and at last what it found or why it could not. It ends when its standard input does: then the worker is gone, or
nobody wants the answer any more."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Any

import uvloop

from domain.log.codec import Unreadable
from domain.ports import OutOfRange
from domain.verification.log import Expected
from services.adapters.postgres import INTERRUPTED
from services.logs import configure, logger_of
from services.runtime.processes import CANNOT_START, NICENESS, give_way
from services.settings import load
from services.verification.report import verified

TOLD_EVERY = 0.25
FAULTS: tuple[type[BaseException], ...] = (*CANNOT_START, OutOfRange, Unreadable, *INTERRUPTED)

log = logger_of("verification")


def _write(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


class ProgressLines:
    """Writes each step when it begins, and how far it is a few times a second."""

    def __init__(self) -> None:
        self._step, self._told = "", 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        if step != self._step or time.monotonic() - self._told >= TOLD_EVERY:
            self._step, self._told = step, time.monotonic()
            _write({"step": step, "done": done, "of": total})


async def _run(expected: Expected | None, *, projections: bool) -> None:
    # Whatever comes on standard input, it is its end. Postgres drops the temporary tables with the connection.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), lambda: os._exit(0))
    try:
        _write({"result": await verified(load(), expected, ProgressLines(), projections=projections)})
    except FAULTS as fault:
        log.error("a verification could not be made", fault=type(fault).__name__, reason=str(fault))
        _write({"failed": type(fault).__name__})


def main() -> int:
    configure()
    give_way(NICENESS["verification"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--expect", default="")
    parser.add_argument("--topics-only", action="store_true")
    given = parser.parse_args()
    position, _, digest = given.expect.partition(":")
    uvloop.run(_run(Expected(int(position), digest) if given.expect else None, projections=not given.topics_only))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
