"""Pieces of work side by side that end together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

FirstResult = TypeVar("FirstResult")
SecondResult = TypeVar("SecondResult")


@asynccontextmanager
async def _group() -> AsyncIterator[asyncio.TaskGroup]:
    """Raises what the first of its tasks to fail raised."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Run all of them. If one fails, or the caller is cancelled, the others are cancelled and waited for. So none of them
    goes on and, for example, starts something after the caller has stopped everything. Raises what the first one to fail
    raised."""
    async with _group() as group:
        for work in works:
            group.create_task(work)


async def both(
    one: Coroutine[Any, Any, FirstResult], other: Coroutine[Any, Any, SecondResult]
) -> tuple[FirstResult, SecondResult]:
    """What the two give. If one fails, or the caller is cancelled, the other is cancelled and waited for. Raises what the first
    one to fail raised."""
    async with _group() as group:
        first, second = group.create_task(one), group.create_task(other)
    return first.result(), second.result()


async def in_a_thread(work: Callable[[], Coroutine[Any, Any, FirstResult]]) -> FirstResult:
    """What the work gives that runs in an event loop and a thread of its own. Beside other work in one loop, each batch of one
    would hold up what the other asks of its servers, until they count as gone. If the caller is cancelled, the work is cancelled
    and waited for."""
    begun = Future[tuple[asyncio.AbstractEventLoop, "asyncio.Task[FirstResult]"]]()

    async def run() -> FirstResult:
        task = asyncio.ensure_future(work())
        begun.set_result((asyncio.get_running_loop(), task))
        return await task

    thread = asyncio.ensure_future(asyncio.to_thread(asyncio.run, run()))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        loop, task = await asyncio.wrap_future(begun)
        with suppress(RuntimeError):  # it has just ended, and its loop is closed
            loop.call_soon_threadsafe(task.cancel)
        await asyncio.gather(thread, return_exceptions=True)
        raise


async def until_one_fails(*works: Coroutine[Any, Any, None]) -> None:
    """Run all of them, in a process that ends once one of them fails. Raises what that one raised, at once: the others are
    cancelled and not waited for, since their end may hang: one of them may have to close a file whose server is gone. If the
    caller is cancelled, all of them are waited for."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        ended, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    except asyncio.CancelledError:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    for each in others:
        each.cancel()
    for each in ended:
        each.result()
