"""`python -m services.projector`: writes what arrives on the topics into Postgres, until it is stopped."""

from __future__ import annotations

import asyncio

from services.adapters.advisory_locks import AdvisoryLock
from services.clock import clock_of
from services.projector.topics import KafkaProjectedTopics
from services.projector.worker import keep_snapshots, project
from services.runtime.bootstrap import open_pool, prepare
from services.runtime.collector_faults import tell_of_collector
from services.runtime.heartbeat import forget_former, keep_beating
from services.runtime.memory import look_seldom_beside_batches
from services.runtime.metrics_endpoint import answer_metrics
from services.runtime.processes import alone, end_when_told, run_until_told
from services.settings import load
from services.traces.tracer import TRACES


async def run() -> None:
    settings = load()
    end_when_told()
    forget_former(settings)
    await answer_metrics(settings, "projector")
    TRACES.begin(settings, "projector")
    pool = await open_pool(settings)
    prepared = await prepare(settings, pool)
    keep_beating(settings)
    tell_of_collector(settings, pool, "projector")
    await alone(pool, AdvisoryLock.PROJECTOR, "projector")
    topics = KafkaProjectedTopics(settings, prepared.partitions)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(project(topics, pool, prepared.keys, settings.region, clock_of(settings)))
        tasks.create_task(keep_snapshots(settings, pool, prepared.keys))


def main() -> int:
    look_seldom_beside_batches()
    return run_until_told("projector", run)


if __name__ == "__main__":
    raise SystemExit(main())
