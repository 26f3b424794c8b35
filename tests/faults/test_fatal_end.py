"""A process that meets a fatal fault ends, also while one of its threads hangs: its lock is free, and a standby takes over."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HANGING = """
import asyncio, fcntl, sys, threading
from domain.ports import OutOfRange
from services.runtime.processes import run_until_told
from services.runtime.task_group import until_one_fails
from services.settings import BadSetting

held, fifo, fault = open(sys.argv[1], "w"), sys.argv[2], eval(sys.argv[3])
fcntl.flock(held, fcntl.LOCK_EX)
begun = threading.Event()

def write() -> None:
    begun.set()
    open(fifo, "w")  # nobody reads it, as a file server that is gone answers nobody

async def hang() -> None:
    try:
        await asyncio.to_thread(write)
    finally:
        open(fifo, "w")  # the file is closed, which hangs too

async def fail() -> None:
    await asyncio.to_thread(begun.wait)
    raise fault

async def run() -> None:
    await until_one_fails(hang(), fail())

raise SystemExit(run_until_told("audit-devices", run))
"""


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("OutOfRange('the log was cut')", 78, "audit-devices ends: the log does not go on from what was read"),
        ("BadSetting('no such folder')", 75, "audit-devices cannot start"),
        ("ZeroDivisionError('a defect')", 1, "ZeroDivisionError: a defect"),
    ],
)
def test_a_process_ends_with_its_exit_code_beside_a_thread_that_hangs(
    fault: str, code: int, said: str, tmp_path: Path
) -> None:
    """One device's disk hung, and the log that another one read was cut. The process did nothing from then on, and kept its
    lock and its heartbeat, so that no standby took over."""
    lock, fifo = tmp_path / "lock", tmp_path / "fifo"
    os.mkfifo(fifo)
    command = [sys.executable, "-c", HANGING, str(lock), str(fifo), fault]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, said in ended.stderr) == (code, True)
    with lock.open() as standby:
        fcntl.flock(standby, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_last_line_of_the_log_is_written_before_the_process_ends(tmp_path: Path) -> None:
    """It says why, and is whole also where the log goes to a file or a pipe."""
    (tmp_path / "lock").touch()
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-c", HANGING, *(str(tmp_path / each) for each in ("lock", "fifo"))]
        subprocess.run([*command, "OutOfRange('the log was cut')"], stderr=log, timeout=60, check=False)
    last = json.loads((tmp_path / "log").read_text().splitlines()[-1])
    assert (last["level"], last["reason"]) == ("error", "(OutOfRange('the log was cut'),)")
