"""`python -m services.notifier`: tell of alerts until told to stop."""

from __future__ import annotations

from services.bootstrap import open_pool, prepare
from services.notifier.running import run as notify
from services.processes import alone, end_when_told, run_until_told
from services.projector.running import log_name
from services.settings import load

ALONE = 0x6B65796E
"""The number of the advisory lock: two would tell everything twice."""


async def run() -> None:
    settings = load()
    end_when_told()
    pool = await open_pool(settings)
    keys = (await prepare(settings, pool)).keys
    await alone(pool, ALONE, "notifier")
    await notify(settings, pool, keys, await log_name(settings, keys))


if __name__ == "__main__":
    raise SystemExit(run_until_told("notifier", run))
