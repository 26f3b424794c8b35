"""`python -m services.notifier`: send alerts until the process is stopped."""

from __future__ import annotations

from services.adapters import alerts_file
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.log_now import log_name
from services.adapters.topics import log_topic
from services.notifier.marks import KafkaMark
from services.notifier.progress import StandBy
from services.notifier.worker import run as notify
from services.runtime.bootstrap import open_pool, prepare
from services.runtime.collector_faults import tell_of_collector
from services.runtime.heartbeat import forget_former, keep_beating
from services.runtime.metrics_endpoint import answer_metrics
from services.runtime.processes import alone, end_when_told, run_until_told
from services.settings import load
from services.traces.tracer import TRACES


async def run() -> None:
    settings = load()
    end_when_told()
    forget_former(settings)
    await answer_metrics(settings, "notifier")
    TRACES.begin(settings, "notifier")
    pool = await open_pool(settings)
    keys = (await prepare(settings, pool)).keys
    keep_beating(settings)
    tell_of_collector(settings, pool, "notifier")
    log = await log_name(log_topic(settings), keys)
    marks = [KafkaMark(settings, keys, log, each.name) for each in alerts_file.load(settings).notifiers]
    await alone(pool, AdvisoryLock.NOTIFIER, "notifier", StandBy(marks).look)
    await notify(settings, pool, keys, log)


def main() -> int:
    return run_until_told("notifier", run)


if __name__ == "__main__":
    raise SystemExit(main())
