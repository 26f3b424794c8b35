"""Faust's Kafka transport, that asks the broker for records a hundred times a second at most while many come.

Every answer holds the few records that came since the one before. Each costs both sides as much as one with many, and Faust
more: its consumer lives in a thread of its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from faust.transport.drivers import aiokafka

PACE = 0.01
"""Seconds from an answer with several records to the next question. A record that comes alone is followed by no wait."""


class PacedThread(aiokafka.AIOKafkaConsumerThread):
    _answered = 0.0

    async def getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's signature
        left = self._answered + PACE - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)
        found = await super().getmany(active_partitions, timeout)
        if sum(map(len, found.values())) > 1:
            self._answered = time.monotonic()
        return found


class PacedConsumer(aiokafka.Consumer):
    def _new_consumer_thread(self) -> PacedThread:
        return PacedThread(self, loop=self.loop, beacon=self.beacon)


class PacedTransport(aiokafka.Transport):
    Consumer = PacedConsumer
