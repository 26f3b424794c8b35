"""The yardstick for appends to the log: a bare producer, and a topic with the same settings as Keytrail's."""

from __future__ import annotations

import asyncio
import time

from bench.installed import Installed
from services.adapters.kafka import connection


def bare_append(installed: Installed, topic: str) -> float:
    """Median milliseconds of an append of 800 bytes to a topic with the same settings as Keytrail's."""
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    async def measure() -> float:
        name = f"bench.{topic}.{time.time_ns()}"
        configs = {"flush.messages": "1"} if topic == "events" else {}
        admin = AIOKafkaAdminClient(**connection(installed.settings))
        await admin.start()
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs)])
        await admin.close()
        producer = AIOKafkaProducer(**connection(installed.settings), acks="all", enable_idempotence=True, linger_ms=0)
        await producer.start()
        taken = []
        for _ in range(1000):
            began = time.perf_counter()
            await producer.send_and_wait(name, b"x" * 800)
            taken.append(time.perf_counter() - began)
        await producer.stop()
        return sorted(taken)[500] * 1e3

    return asyncio.run(measure())
