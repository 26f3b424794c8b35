"""What the processes other than the API and the writer share: how they start, stand by for each other, and end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import uvloop

from domain.log.codec import Unreadable
from domain.ports import LogRefused, OutOfRange
from domain.transparency.order import OrderBroken
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import UNREACHABLE, Connection, Pool
from services.logs import configure, logger_of
from services.runtime.collector_faults import end_telling
from services.runtime.setting_names import warn_of_unknown
from services.settings import BadSetting
from services.traces.tracer import TRACES

CANNOT_START: tuple[type[BaseException], ...] = (LogRefused, MasterKeyRefused, BadSetting, *UNREACHABLE)
NICENESS = {"alerts": 3, "audit-devices": 10, "notary": 10, "notifier": 3, "projector": 10, "verification": 5}
"""The niceness of each process. Calls come first: under full load these processes fall behind, and catch up afterwards.
People wait for an alert or a verification, but read projections later."""
AUTOGROUP = Path("/proc/self/autogroup")
AUTOGROUP_PATIENCE = 2.0
STAND_BY = 5.0
LOOK_EVERY, ANSWERS_WITHIN = 4.0, 6
"""Seconds. What promotes a standby waits longer, to be sure that the primary is gone."""
PAUSE, LONGEST_PAUSE = 0.0005, 0.25
PROVE_EVERY, LONGEST_UNPROVED, PROOF_AT_MOST_ONE_IN = 60.0, 300.0, 50


def end_when_told() -> None:
    """SIGTERM and Ctrl-C end the process at once: its work is transactions, each of which counts completely or not at all."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end_now)


_background: set[asyncio.Task[None]] = set()
"""Tasks that nobody waits for: asyncio itself would forget them."""


def end_now(last: Callable[[], Awaitable[None]] | None = None) -> None:
    """End this process. Where it traces calls, what waits is sent first, and its work goes on for that time. `last` is done right
    before the end, which comes whatever it raises."""
    if TRACES.tracer is None and last is None:
        os._exit(0)
    task = asyncio.get_running_loop().create_task(_end(last))
    _background.add(task)
    task.add_done_callback(lambda _: os._exit(0))


async def _end(last: Callable[[], Awaitable[None]] | None) -> None:
    if TRACES.tracer is not None:
        await asyncio.gather(TRACES.end(), end_telling())
    if last is not None:
        await last()


async def alone(
    pool: Pool, lock: AdvisoryLock, what: str, while_waiting: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Wait until no other process of this kind works on this database, and keep others away while this one lives.

    A process that waits is a standby. Anybody can hold the lock, so `while_waiting`,
    called every few seconds, finds out elsewhere whether another process is at work.

    The lock is lost with its session, and then this process ends. A host of Postgres that loses its power ends no connection, and
    the standby that is promoted gives the lock to the next process. So the session has to answer, within ten seconds in all.
    """
    log = logger_of(what)
    connection = await pool.acquire()
    connection.add_termination_listener(lambda _: os._exit(75))
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
        log.info(f"another {what} works on this database; standing by")
        if while_waiting is not None:
            await while_waiting()
        await asyncio.sleep(STAND_BY)
    _background.add(asyncio.create_task(_end_once_silent(connection, what)))


async def _end_once_silent(connection: Connection, what: str) -> NoReturn:
    while True:
        await asyncio.sleep(LOOK_EVERY)
        answer = asyncio.ensure_future(connection.fetchval("SELECT 1"))
        for _ in range(ANSWERS_WITHIN):  # one timeout would also be over when this process was stopped meanwhile
            await asyncio.wait([answer], timeout=1.0)
            if answer.done():
                break
        if not answer.done() or answer.exception() is not None:
            logger_of(what).error(
                f"Postgres does not answer the session with the lock of this {what}; this process ends"
            )
            os._exit(75)


def pause_after(records: int, longest: float = LONGEST_PAUSE) -> float:
    """Seconds that a follower which has caught up waits after so many records, before it asks for more.

    Each question costs the follower, broker and Postgres as much for a few records as for many. If few records come there is
    nearly no wait; under full load there are four questions a second, or fewer if `longest` is longer.
    """
    return min(longest, records * PAUSE)


def pause_after_proof(took: float) -> float:
    """Seconds until all rows that are believed are checked again: a minute. It is more if the check took over a fiftieth of
    that time, but five minutes at most. A check also takes long while somebody holds a lock, and that must not gain them
    hours. Nobody knows to the second when the next check comes."""
    pause = min(LONGEST_UNPROVED, max(PROVE_EVERY, PROOF_AT_MOST_ONE_IN * took))
    return pause * random.uniform(0.75, 1.0)  # noqa: S311  # no secret: it only must not be the same each time


def give_way(niceness: int) -> None:
    """Take a lower priority than the API and the writer, whatever other processes run.

    Linux weighs a session's processes together against every other session's. Niceness counts only among the processes of one
    session (autogroup, sched(7)). Each process of `keytrail up` is a session of its own, so its session is made nice too.
    """
    os.nice(niceness)
    if os.getsid(0) != os.getpid():  # started by hand: the session is somebody's terminal
        return
    ends = time.monotonic() + AUTOGROUP_PATIENCE
    while True:
        try:
            AUTOGROUP.write_text(str(niceness))
            return
        except OSError as fault:
            # The kernel accepts ten of these a second from all users except root; it may also have no autogroups.
            if fault.errno != errno.EAGAIN or time.monotonic() > ends:
                return
            time.sleep(0.05)


def run_until_told(what: str, run: Callable[[], Awaitable[None]]) -> NoReturn:
    """Run until the process is stopped. It ends with its exit code: 75 if trying again may help, 78 if the log does not go on
    from what was read, 1 after a fault that nobody foresaw.

    `what` is the process's name in NICENESS.
    """
    configure()
    warn_of_unknown(logger_of(what), os.environ)
    give_way(NICENESS[what])
    uvloop.run(_to_the_end(what, run))
    raise AssertionError("the process has ended")


async def _to_the_end(what: str, run: Callable[[], Awaitable[None]]) -> None:
    """The process ends here, as it does when it is told to. An event loop that is closed, and the interpreter too, wait without
    limit for threads, one of which may hang in a disk. The process would beat and hold its lock, and do nothing."""
    log, code = logger_of(what), 0
    try:
        try:
            await run()
        except* CANNOT_START as faults:
            log.error(f"{what} cannot start", reason=repr(faults.exceptions))
            code = 75
        except* (OutOfRange, OrderBroken, Unreadable) as faults:
            log.error(f"{what} ends: the log does not go on from what was read", reason=repr(faults.exceptions))
            code = 78
    except Exception as fault:  # noqa: BLE001  # whatever it is, the process ends with it, as if nothing had caught it
        sys.excepthook(type(fault), fault, fault.__traceback__)
        code = 1
    with contextlib.suppress(OSError):  # nobody may read them
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
