"""Processor work in threads beside the event loop, which the accounts share.

Each account's work waits in a row of its own, and the rows take turns, so an account that asks for much waits only for its own
work. Where there are several threads, no account has all of them: there is always one that works for another.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

NICENESS = 10
P = ParamSpec("P")
T = TypeVar("T")


def give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux each thread has its own niceness


PAUSE = 0.0005


def breathe() -> None:
    """Pure Python calls this now and then in one of these threads. So the loop's thread gets the interpreter at once, without
    a wait of five milliseconds."""
    time.sleep(PAUSE)


class _Rows:
    """The work that waits and the work under way on one event loop."""

    def __init__(self, executor: Executor, threads: int) -> None:
        self._executor = executor
        self._free = threads
        self._most = max(1, threads - 1)
        self._waiting: dict[str, deque[tuple[asyncio.Future[Any], Callable[[], Any]]]] = {}
        self._working: dict[str, int] = {}

    async def run(self, account: str, work: Callable[[], T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append((future, work))
        self._begin()
        return await future

    def _begin(self) -> None:
        while self._free and (account := self._next()) is not None:
            row = self._waiting.pop(account)
            future, work = row.popleft()
            if row:
                self._waiting[account] = row  # after the others
            if future.done():  # the caller went away
                continue
            self._free -= 1
            self._working[account] = self._working.get(account, 0) + 1
            done = asyncio.get_running_loop().run_in_executor(self._executor, work)
            done.add_done_callback(partial(self._end, account, future))

    def _next(self) -> str | None:
        """The account whose turn it is: among those with the least work under way, the one that has waited longest."""
        may = [each for each in self._waiting if self._working.get(each, 0) < self._most]
        return min(may, key=lambda each: self._working.get(each, 0), default=None)

    def _end(self, account: str, future: asyncio.Future[Any], done: asyncio.Future[Any]) -> None:
        self._free += 1
        self._working[account] -= 1
        if not self._working[account]:
            del self._working[account]
        if not future.done():
            if (fault := done.exception()) is not None:
                future.set_exception(fault)
            else:
                future.set_result(done.result())
        self._begin()


class Shares:
    """Threads for one kind of work. `threads`: 0 for as many as there are processors, and at least two."""

    def __init__(self, name: str, threads: int = 0) -> None:
        self._threads = threads or max(2, os.cpu_count() or 1)
        self._executor = ThreadPoolExecutor(self._threads, name, give_way)
        self._rows: WeakKeyDictionary[asyncio.AbstractEventLoop, _Rows] = WeakKeyDictionary()

    async def run(self, account: str, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Run the function when it is the account's turn, and return its result."""
        rows = self._rows.setdefault(asyncio.get_running_loop(), _Rows(self._executor, self._threads))
        return await rows.run(account, partial(function, *arguments, **options))


QUESTIONS = Shares("questions")
"""For callers' questions of what policies mean and who could do what, on the worker that answers every call."""
