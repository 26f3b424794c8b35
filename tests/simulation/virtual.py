"""An event loop on virtual time, and processes that can be stopped, resumed and killed at any await.

Nothing waits: when no callback is ready, the clock jumps to the next timer. Every callback belongs to the process in whose context it
was scheduled. Those of a stopped process wait until it is resumed, and those of a dead one never run.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
import time
import traceback
from asyncio import base_events
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar, cast
from unittest import mock

T = TypeVar("T")

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
            base_events.BaseEventLoop.call_soon(self._loop, each, context=each.handle._context)

    async def goes_on(self) -> None:
        """Returns when the process is not stopped, or is dead. For the world's code."""
        await self._moves.wait()

    def hold(self, step: _Step) -> None:
        self._held.append(step)


_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def current() -> Process | None:
    """The process whose code runs; None: the world's own code."""
    return _PROCESS.get()


class _Jump:
    """In the place of a selector: it waits for nothing, and moves the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready, and nothing is due")
        self._loop.now += max(0.0, timeout)
        return []


class VirtualLoop(base_events.BaseEventLoop):
    """`now`: virtual seconds since its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._selector = _Jump(self)
        self._clock_resolution = 1e-9
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

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        context = contextvars.copy_context() if context is None else context
        process = context.get(_PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        step = _Step(process, callback, args)
        step.handle = super().call_soon(step, context=context)
        return step.handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        context = contextvars.copy_context() if context is None else context
        process = context.get(_PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        step = _Step(process, callback, args)
        timer = super().call_at(when, step, context=context)
        step.handle = timer
        return timer

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
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
        self._ready.clear()  # type: ignore[attr-defined]  # nothing of it may run any more
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.set_exception_handler(lambda *_: None)
        for each in self.tasks:
            if not each.done():
                with suppress(RuntimeError, Ended):
                    cast("Coroutine[Any, Any, Any]", each.get_coro()).close()
        self.tasks.clear()
        self._ready.clear()  # type: ignore[attr-defined]
        self.close()


class _Step:
    """A callback of a process, which may be dead or stopped by the time it is due."""

    __slots__ = ("args", "callback", "handle", "process")
    handle: asyncio.Handle

    def __init__(self, process: Process, callback: Any, args: tuple[Any, ...]) -> None:
        self.process = process
        self.callback = callback
        self.args = args

    def __call__(self) -> None:
        process = self.process
        if process.dead or self.handle.cancelled():  # it may have been cancelled while it was held
            return
        if process.stopped:
            process.hold(self)
        else:
            self.callback(*self.args)


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
