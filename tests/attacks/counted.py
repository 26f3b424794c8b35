"""The counted cost of a piece of work: lines and calls of Python, the same on every machine; and the processor's
time."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def nothing_collected() -> Iterator[None]:
    """Keep the collector from working meanwhile. It would walk everything that other tests left, and run their finalizers;
    and once hypothesis ran a test, it calls a function of hypothesis each time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def steps(work: Callable[[], object]) -> int:
    """Lines run and functions called, in Keytrail and its libraries. Code in C counts as one."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return line

    with nothing_collected():
        before = sys.gettrace()
        sys.settrace(line)
        try:
            work()
        finally:
            sys.settrace(before)
    return count


def calls(work: Callable[[], object]) -> int:
    """Functions called, those of C too: for work that is mostly done by one of these."""
    count = 0

    def called(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    with nothing_collected():
        before = sys.getprofile()
        sys.setprofile(called)
        try:
            work()
        finally:
            sys.setprofile(before)
    return count


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """This thread's processor time, the least of several runs: other work on the machine can only add to it."""
    least = float("inf")
    with nothing_collected():
        for _ in range(times):
            began = time.thread_time()
            work()
            least = min(least, time.thread_time() - began)
    return least
