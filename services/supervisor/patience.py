"""How long a start waits for a part: as long as it is at work, and STILL seconds more.

A database that was killed replays its journal first, a broker loads its segments, and a worker folds the log. Each takes as long
as there is something to do, and says so in words of its own, or not at all. So what counts is what the kernel counts: processor
time and bytes. A limit on the whole lost: the next start had to do again what the last one had done when it was broken off.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import psutil

from services.logs import logger_of

log = logger_of("supervisor")

Brought = TypeVar("Brought")

STILL = 90.0
"""Seconds after which a part that does nothing is given up."""
SECONDS_OF_WORK, BYTES_OF_WORK = 8.0, 16 << 20
"""What a process does at least within STILL seconds if it gets on. A broker that serves nobody does half as much."""
LOOK_EVERY = 0.5
LONG, TELL_EVERY = 10.0, 30.0


class CannotStart(Exception):
    """The message says why, and what to do."""


class Patience:
    """Whether the processes that a start waits for get on."""

    def __init__(
        self,
        what: str,
        pids: Callable[[], Iterable[int]],
        logs: object,
        tell: Callable[[str], None] = lambda what: None,
        *,
        still: float = STILL,
        seconds_of_work: float = SECONDS_OF_WORK,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`what` is waited for: a name, such as "Postgres". `pids`: who has to get on for that, now. `logs`: where they say more.
        `tell` is told from time to time if it takes long."""
        self._what, self._pids, self._logs, self._tell = what, pids, logs, tell
        self._still, self._seconds, self._now = still, seconds_of_work, now
        self._began = self._moved = now()
        self._told = self._began + LONG - TELL_EVERY
        self._why = ""
        self._done: dict[int, tuple[float, int]] = {}
        """What each process had done when it last got on."""
        self._seen: dict[int, tuple[float, int]] = {}
        self._ended = (0.0, 0)
        """The most that a process had done which has ended."""

    def learn(self, why: str) -> None:
        """Why it has to be waited for now."""
        self._why = f" ({why})"

    def look(self) -> None:
        """To be called again and again. Raises CannotStart when nothing has moved for so long that nothing will."""
        at = self._now()
        if self._get_on():
            self._moved = at
        if at - self._moved > self._still:
            raise CannotStart(
                f"{self._what} did not become ready, and nothing has moved for {self._still:.0f} s{self._why}: "
                f"{self._logs} says what it waits for. Mend that and start again."
            )
        if at - self._told >= TELL_EVERY:
            self._told = at
            waited = round(at - self._began)
            self._tell(f"waiting for {self._what}, which is still at work (see {self._logs})")
            log.info("the start takes long; waiting on", waits_for=self._what, seconds=waited, see=str(self._logs))

    async def wait_for(self, work: Awaitable[Brought]) -> Brought:
        """The result of `work`, which is cancelled if nothing moves. Raises CannotStart, and whatever `work` raises."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=LOOK_EVERY))[0]:
                self.look()
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _get_on(self) -> bool:
        """Whether one of them has done enough since it last had. In the place of one that has ended, a process has to do more
        than that one did: so one that dies again and again does not get on."""
        now = {pid: work_of(pid) for pid in self._pids()}
        for pid in self._seen.keys() - now.keys():
            seconds, moved = self._seen.pop(pid)
            self._ended = (max(self._ended[0], seconds), max(self._ended[1], moved))
        self._seen |= now
        got_on = False
        for pid, (seconds, moved) in now.items():
            had_seconds, had_moved = self._done.setdefault(pid, self._ended)
            if seconds - had_seconds >= self._seconds or moved - had_moved >= BYTES_OF_WORK:
                self._done[pid] = (seconds, moved)
                got_on = True
        return got_on


def work_of(pid: int) -> tuple[float, int]:
    """The processor time of a process, in seconds, and the bytes that it has read from and written to disks; nothing of a process
    that has ended."""
    seconds, moved = 0.0, 0
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        seconds = times.user + times.system
    with contextlib.suppress(
        psutil.Error, OSError, AttributeError, NotImplementedError
    ):  # some kernels do not count them
        counted = psutil.Process(pid).io_counters()
        moved = counted.read_bytes + counted.write_bytes
    return seconds, moved


def with_children(pid: int | None) -> list[int]:
    """A process and what it has started; nothing if it has ended."""
    try:
        process = psutil.Process(pid) if pid is not None else None
        return [] if process is None else [process.pid, *(each.pid for each in process.children(recursive=True))]
    except psutil.Error:
        return []


async def to_its_end(start: Callable[[Callable[[], None]], None], look: Callable[[], None]) -> None:
    """Run `start` in a thread, which nobody can stop. It gets a function to call again and again, by which it learns that it is
    given up; a caller who is cancelled meanwhile waits for its end. So what it starts exists in time to be stopped, and does not
    come into being afterwards."""
    given_up = threading.Event()

    def look_while_wanted() -> None:
        if given_up.is_set():
            raise CannotStart("The start was broken off.")
        look()

    thread = asyncio.ensure_future(asyncio.to_thread(start, look_while_wanted))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        given_up.set()
        with contextlib.suppress(Exception):
            await thread
        raise


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110  # other processes bring it about
        await asyncio.sleep(0.05)
