"""`python -m services.notifier`: tell of alerts until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog
import uvloop

from domain.ports import LogRefused
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import UNREACHABLE, Pool
from services.bootstrap import open_pool, prepare
from services.logs import configure
from services.notifier.running import ALONE
from services.notifier.running import run as notify
from services.projector.running import log_name
from services.settings import BadSetting, load

CANNOT_START: tuple[type[BaseException], ...] = (LogRefused, MasterKeyRefused, BadSetting, *UNREACHABLE)

log = structlog.get_logger("notifier")


async def alone(pool: Pool) -> None:
    """Wait until no other notifier works on this database: two would tell everything twice."""
    connection = await pool.acquire()
    connection.add_termination_listener(lambda _: os._exit(75))  # the lock went with the connection
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", ALONE):
        log.info("another notifier works on this database; standing by")
        await asyncio.sleep(5)


async def run() -> None:
    settings = load()
    loop = asyncio.get_running_loop()
    # A message that is under way is in the outbox until it is acknowledged.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: os._exit(0))
    pool = await open_pool(settings)
    await prepare(settings, pool)
    await alone(pool)
    await notify(settings, pool, await log_name(settings))


def main() -> int:
    configure()
    os.nice(5)  # as the projector: who calls comes first
    code = 0
    try:
        uvloop.run(run())
    except* CANNOT_START as faults:
        log.error("notifier cannot start", reason=repr(faults.exceptions))
        code = 75
    return code


if __name__ == "__main__":
    raise SystemExit(main())
