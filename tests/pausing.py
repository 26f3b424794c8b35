"""Processes that hang: they are stopped, and are not dead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.installation import eventually


def pause(process: psutil.Process) -> None:
    """Stop a process, and return when each of its threads has stopped. The signal alone only asks for that: on a busy machine
    some threads ran on for 30 ms, which is long enough to answer."""
    process.suspend()
    eventually(lambda: _states(process) <= {"T", "Z"})  # a zombie answers nothing either


@contextlib.contextmanager
def paused(*processes: psutil.Process) -> Iterator[None]:
    """Some processes hang for a while. One that ends meanwhile is nobody's concern here."""
    try:
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                pause(each)
        yield
    finally:
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


def _states(process: psutil.Process) -> set[str]:
    """What each thread does, in the letters of proc(5)."""
    states = set()
    for thread in Path(f"/proc/{process.pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            states.add(thread.read_text().rpartition(")")[2].split()[0])
    return states
