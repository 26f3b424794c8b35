"""`python -m services.alerts`: judge what comes until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog
import uvloop

from domain.ports import LogRefused
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import UNREACHABLE
from services.alerts import keeping
from services.alerts.running import Worker
from services.bootstrap import open_pool, prepare
from services.logs import configure
from services.projector.running import log_name
from services.settings import BadSetting, load

CANNOT_START: tuple[type[BaseException], ...] = (LogRefused, MasterKeyRefused, BadSetting, *UNREACHABLE)

log = structlog.get_logger("alerts")


async def run() -> None:
    settings = load()
    loop = asyncio.get_running_loop()
    # What is judged is kept in transactions, and what is not is judged again: there is nothing to end in order.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: os._exit(0))
    pool = await open_pool(settings, size=6)
    await prepare(settings, pool)
    name = await log_name(settings)
    await keeping.prepare(pool, name)
    own = os.environ.get("KEYTRAIL_ALERTS_NAME", f"alerts-{os.uname().nodename}-{os.getpid()}")
    await Worker(settings, pool, name, own).run()


def main() -> int:
    configure()
    os.nice(5)  # as the projector: who calls comes first
    code = 0
    try:
        uvloop.run(run())
    except* CANNOT_START as faults:
        log.error("alerts cannot start", reason=repr(faults.exceptions))
        code = 75
    return code


if __name__ == "__main__":
    raise SystemExit(main())
