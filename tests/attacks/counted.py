"""The counted cost of a piece of work: lines and calls of Python, the same on every machine; and the processor's
time."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(work: Callable[[], object]) -> int:
    """Lines run and functions called, in Keytrail and its libraries. Code in C counts as one."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """This thread's processor time, the least of several runs: other work on the machine can only add to it."""
    least, collects = float("inf"), gc.isenabled()
    gc.disable()  # it would walk everything that other tests left
    try:
        for _ in range(times):
            began = time.thread_time()
            work()
            least = min(least, time.thread_time() - began)
    finally:
        if collects:
            gc.enable()
    return least
