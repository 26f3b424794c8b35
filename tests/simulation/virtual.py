"""An event loop on virtual time, and processes that can be stopped, resumed and killed at any await.

Nothing waits: when no callback is ready, the clock jumps to the next timer. Every callback belongs to the process in whose context it
was scheduled. Those of a stopped process wait until it is resumed, and those of a dead one never run.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import os
import random
import time
import traceback
from asyncio import base_events
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar, TypeVarTuple, cast
from unittest import mock

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

EPOCH = 1_800_000_000.0
"""The time of every machine's clock when a simulation begins, in seconds since the epoch. Clocks that are wrong differ from it."""


class Ended(BaseException):
    """The process has ended itself. It is no Exception, so that no handler of its code goes on after it."""


class Deadlock(Exception):
    """Nothing is ready and no timer is left, and the simulation has not ended."""


class Process:
    """A simulated process: what runs in its context. `skew`: seconds by which its clock is ahead."""

    def __init__(self, name: str, loop: VirtualLoop, skew: float = 0.0) -> None:
        self.name = name
        self.skew = skew
        self.dead = False
        self.stopped = False
        self.why = ""
        self._loop = loop
        self._held: list[_Step] = []
        self.on_death: list[Callable[[], None]] = []
        """Called once, in the world's context, when the process dies."""
        self._moves = asyncio.Event()
        """Set while it is not stopped, and for ever when it is dead."""
        self._moves.set()
        self.context = contextvars.copy_context()
        self.context.run(_PROCESS.set, self)

    def __repr__(self) -> str:
        return self.name

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self._loop.create_task(work, context=self.context.copy())

    def kill(self, why: str) -> None:
        """What SIGKILL does: nothing of it runs any more, and nothing is cleaned up."""
        if self.dead:
            return
        self.dead, self.why = True, why
        self._held.clear()
        self._moves.set()
        for each in self.on_death:
            each()

    def end(self, why: str) -> NoReturn:
        """In the place of `os._exit`, for the process's own code."""
        self.kill(why)
        raise Ended(why)

    def stop(self) -> None:
        """What SIGSTOP does."""
        self.stopped = True
        self._moves.clear()

    def resume(self) -> None:
        self.stopped = False
        self._moves.set()
        held, self._held = self._held, []
        for each in held:
            self._loop.again(each)

    async def goes_on(self) -> None:
        """Returns when the process is not stopped, or is dead. For the world's code."""
        await self._moves.wait()

    def hold(self, step: _Step) -> None:
        self._held.append(step)


_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def current() -> Process | None:
    """The process whose code runs; None: the world's own code."""
    return _PROCESS.get()


class VirtualLoop(base_events.BaseEventLoop):
    """`now`: virtual seconds since its beginning. asyncio's own turns of a loop took a third of a simulation's time: handles compare
    themselves in Python, a selector is asked, and a wrapper stood around every callback of a process."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._due: deque[_Step] = deque()
        self._timers: list[tuple[float, int, _Step]] = []
        """A heap. The number has those that are due at the same time run in the order in which they were made."""
        self._made = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)
        self.faults: list[str] = []
        """What living processes did not handle."""
        self.set_exception_handler(self._unhandled)

    def time(self) -> float:
        return self.now

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        self.tasks.append(task)  # a dead process's tasks must not be collected, which would run their `finally`
        return task

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        step = _Step(self.now, callback, args, self, contextvars.copy_context() if context is None else context)
        self._due.append(step)
        return step

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        step = _Step(when, callback, args, self, contextvars.copy_context() if context is None else context)
        self._made += 1
        heapq.heappush(self._timers, (when, self._made, step))
        return step

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def again(self, step: _Step) -> None:
        """A step of a process that was stopped when the step was due."""
        self._due.append(step)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # its turn passes over it

    def _run_once(self) -> None:
        due, timers = self._due, self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not due:
            if not timers:
                raise Deadlock("nothing is ready, and nothing is due")
            self.now = max(self.now, timers[0][0])
        while timers and timers[0][0] <= self.now:
            due.append(heapq.heappop(timers)[2])
        for _ in range(len(due)):
            due.popleft().run()

    def run_in_executor(self, executor: Any, func: Callable[[*Arguments], T], *args: *Arguments) -> asyncio.Future[T]:
        """Runs the work at once, one turn later: threads have no order that a seed could decide."""
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except Exception as fault:  # noqa: BLE001  # it belongs to whoever awaits the future
                if not future.done():
                    future.set_exception(fault)
            else:
                if not future.done():
                    future.set_result(result)

        self.call_soon(work)
        return future

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if not isinstance(fault, Ended):
            where = "".join(traceback.format_exception(fault)[-4:]) if fault is not None else ""
            self.faults.append(f"{context.get('message')}: {fault!r} {where}")

    def abandon(self) -> None:
        """Ends everything that is left, when the simulation is over."""
        for each in self.tasks:
            each._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own gather sets it so
        self._due.clear()  # nothing of it may run any more
        self._timers.clear()
        self.set_exception_handler(lambda *_: None)
        for each in self.tasks:
            if not each.done():
                with suppress(RuntimeError, Ended):
                    cast("Coroutine[Any, Any, Any]", each.get_coro()).close()
        self.tasks.clear()
        self._due.clear()
        self.close()


def _nothing() -> None:
    pass


class _Step(asyncio.TimerHandle):
    """A callback. If it is of a process, the process may be dead or stopped by the time it is due."""

    __slots__ = ("_process", "_where")
    _callback: Callable[..., object]
    _args: tuple[Any, ...]

    def __init__(
        self, when: float, callback: Any, args: tuple[Any, ...], loop: VirtualLoop, context: contextvars.Context
    ) -> None:
        # Not the base's own beginning, which asks for debug mode and is a third of the cost of a step.
        self._when, self._callback, self._args, self._loop, self._context = when, callback, args, loop, context
        self._cancelled, self._repr, self._source_traceback, self._scheduled = False, None, None, False
        self._where = context
        self._process = context.get(_PROCESS)

    def cancel(self) -> None:
        """As the base's own, which asks for debug mode and tells the loop: every `sleep` that ends cancels its step."""
        self._cancelled = True
        self._callback, self._args = _nothing, ()

    def run(self) -> None:
        if self._cancelled:
            return
        process = self._process
        if process is not None:
            if process.dead:
                return
            if process.stopped:
                process.hold(self)
                return
        try:
            self._where.run(self._callback, *self._args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as fault:  # noqa: BLE001  # as asyncio does
            context = {"message": f"Exception in callback {self._callback}", "exception": fault, "handle": self}
            self._loop.call_exception_handler(context)


@contextmanager
def virtual_machine(loop: VirtualLoop, seed: int) -> Iterator[None]:
    """Has this thread's clock and chance come from the simulation."""
    chance = random.Random(f"{seed} secrets")  # a simulation has no secrets

    def wall() -> float:
        process = _PROCESS.get()
        return EPOCH + loop.now + (process.skew if process is not None else 0.0)

    def drawn(size: int) -> bytes:
        return chance.randbytes(size)

    state = random.getstate()
    random.seed(seed)
    with (
        mock.patch.object(time, "time", wall),
        mock.patch.object(time, "time_ns", lambda: int(wall() * 1e6) * 1000),
        mock.patch.object(time, "monotonic", lambda: loop.now),
        mock.patch.object(time, "clock_gettime", lambda _: loop.now),
        mock.patch.object(time, "perf_counter", lambda: loop.now),
        mock.patch.object(os, "urandom", drawn),
        mock.patch.object(random, "_urandom", drawn),
    ):
        try:
            yield
        finally:
            random.setstate(state)


def run(loop: VirtualLoop, work: Awaitable[T], until: float) -> T:
    """Runs until the work ends. Raises TimeoutError after `until` virtual seconds, Deadlock."""

    async def bounded() -> T:
        async with asyncio.timeout_at(until):
            return await work

    return loop.run_until_complete(bounded())
