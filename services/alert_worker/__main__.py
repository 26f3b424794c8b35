"""`python -m services.alert_worker`: judge records until the process is stopped."""

from __future__ import annotations

import os

from services.adapters.log_now import log_name
from services.adapters.topics import log_topic
from services.alert_worker import takeover
from services.alert_worker.books import Books
from services.alert_worker.marks import KafkaMarks
from services.alert_worker.worker import Worker
from services.runtime.bootstrap import open_pool, prepare
from services.runtime.collector_faults import tell_of_collector
from services.runtime.heartbeat import forget_former, keep_beating
from services.runtime.memory import look_seldom_for_cycles
from services.runtime.metrics_endpoint import answer_metrics
from services.runtime.processes import end_when_told, run_until_told
from services.settings import load
from services.traces.tracer import TRACES


async def run() -> None:
    settings = load()
    end_when_told()
    forget_former(settings)
    await answer_metrics(settings, "alerts")
    TRACES.begin(settings, "alerts")
    pool = await open_pool(settings, size=6)
    keys = (await prepare(settings, pool)).keys
    keep_beating(settings)
    tell_of_collector(settings, pool, "alerts")
    name = await log_name(log_topic(settings), keys)
    books, marks = Books(keys, name), KafkaMarks(settings, keys, name)
    await takeover.prepare(pool, books, marks)
    look_seldom_for_cycles()
    own = os.environ.get("KEYTRAIL_ALERTS_NAME", f"alerts-{os.uname().nodename}-{os.getpid()}")
    await Worker(settings, pool, books, marks, own).run()


def main() -> int:
    return run_until_told("alerts", run)


if __name__ == "__main__":
    raise SystemExit(main())
