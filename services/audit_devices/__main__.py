"""`python -m services.audit_devices`: write decisions to the audit devices until the process is stopped."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.log_now import log_name
from services.adapters.topics import log_topic
from services.audit_devices import device_rows, devices_file, worker
from services.logs import logger_of
from services.runtime.bootstrap import open_pool, prepare
from services.runtime.heartbeat import forget_former, keep_beating
from services.runtime.metrics_endpoint import answer_metrics
from services.runtime.processes import alone, end_when_told, run_until_told
from services.settings import load

log = logger_of("audit-devices")


async def run() -> None:
    settings = load()
    end_when_told()
    wanted = devices_file.load(settings)
    forget_former(settings)
    await answer_metrics(settings, "audit-devices")
    pool = await open_pool(settings)
    prepared = await prepare(settings, pool)
    keep_beating(settings)
    await alone(pool, AdvisoryLock.AUDIT_DEVICES, "audit-devices")
    await device_rows.prepare(pool)
    await device_rows.declare(pool, {each.name: each.kind for each in wanted})
    if not wanted:
        log.info("KEYTRAIL_AUDIT_DEVICES_FILE names no device; decisions are written nowhere else")
        await asyncio.Event().wait()
    # A device has one blocking call under way, and a name to look up: none waits for the thread of another that hangs.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2 * len(wanted) + 2))
    name = await log_name(log_topic(settings), prepared.keys)
    await worker.run(settings, pool, prepared.partitions, prepared.keys, name, wanted)


def main() -> int:
    return run_until_told("audit-devices", run)


if __name__ == "__main__":
    raise SystemExit(main())
