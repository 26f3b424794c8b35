"""`python -m services.projector`: follow the topics into Postgres until told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal

import structlog
import uvloop

from domain.ports import LogRefused, OutOfRange
from domain.trail.codec import Unreadable
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import UNREACHABLE, Pool
from services.bootstrap import open_pool, prepare
from services.logs import configure
from services.projector.running import keep_snapshots, project
from services.settings import BadSetting, load

CANNOT_START: tuple[type[BaseException], ...] = (LogRefused, MasterKeyRefused, BadSetting, *UNREACHABLE)

log = structlog.get_logger("projector")


ALONE = 0x6B657970  # the number of the advisory lock


async def alone(pool: Pool) -> None:
    """Wait until no other projector works on this database, and keep others away for as long as this process lives.

    Two that follow the same log would do the same work twice; two of different logs would throw away each other's
    tables. One that waits is a standby.
    """
    connection = await pool.acquire()
    connection.add_termination_listener(lambda _: os._exit(75))  # the lock went with the connection
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", ALONE):
        log.info("another projector works on this database; standing by")
        await asyncio.sleep(5)


async def run() -> None:
    settings = load()
    loop = asyncio.get_running_loop()
    # A batch under way is a transaction: it counts whole or not at all, whenever the process ends.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: os._exit(0))
    pool = await open_pool(settings)
    partitions = await prepare(settings, pool)
    await alone(pool)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(project(settings, pool, partitions))
        tasks.create_task(keep_snapshots(settings, pool))


def main() -> int:
    configure()
    # Who calls comes first: under full load the projections may fall behind, and catch up when there is room.
    os.nice(5)
    # A batch is a million objects without a cycle: walking them to find none was half of what a record cost.
    gc.set_threshold(1_000_000, 50, 100)
    code = 0
    try:
        uvloop.run(run())
    except* CANNOT_START as faults:
        log.error("projector cannot start", reason=repr(faults.exceptions))
        code = 75
    except* (OutOfRange, Unreadable) as faults:
        log.error("projector ends: the log does not go on from what was read", reason=repr(faults.exceptions))
        code = 78
    return code


if __name__ == "__main__":
    raise SystemExit(main())
