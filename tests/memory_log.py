"""The log in memory, for tests alone. It passes the same contract as Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from domain.ports import Headers, OutOfRange, Stored, Unavailable

LANDED_BUT_UNANSWERED = "the write landed and the answer was lost"
NEVER_LANDED = "the write did not land"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the broker says of a value that is durable; `timestamp` is milliseconds since the epoch, by the broker's clock."""

    offset: int
    timestamp: int
    timestamp_type: int = 1


class MemoryReader:
    def __init__(self, topic: MemoryTopic, offset: int) -> None:
        self._topic = topic
        self._next = offset

    async def read(self, limit: int) -> Sequence[Stored]:
        topic = self._topic
        if self._next > len(topic.values):
            raise OutOfRange(f"{self._next} is behind the end")
        async with topic.grown:
            await topic.grown.wait_for(lambda: self._next < len(topic.values))
        found = topic.values[self._next : self._next + limit]
        stored = [Stored(self._next + place, value) for place, value in enumerate(found)]
        self._next += len(stored)
        return stored

    async def close(self) -> None:
        pass


class MemoryTopic:
    """`fault`: what happens to the next append. None: it lands and is answered. `ahead`: how many seconds the broker's clock is
    ahead of this machine's."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.grown = asyncio.Condition()
        self.fault: str | None = None
        self.down = False
        self.ahead = 0

    async def append(self, value: bytes, headers: Headers = ()) -> int:
        fault, self.fault = self.fault, None
        if fault == NEVER_LANDED:
            raise Unavailable(fault)
        async with self.grown:
            self.values.append(value)
            self.grown.notify_all()
        if fault == LANDED_BUT_UNANSWERED:
            raise Unavailable(fault)
        return len(self.values) - 1

    async def send(self, value: bytes, headers: Headers = ()) -> asyncio.Task[Sent]:
        async def durable() -> Sent:
            return Sent(await self.append(value, headers), time.time_ns() // 1_000_000 + self.ahead * 1000)

        return asyncio.create_task(durable())

    async def reader(self, offset: int) -> MemoryReader:
        return MemoryReader(self, offset)

    async def end(self) -> int:
        if self.down:
            raise Unavailable("down")
        return len(self.values)

    async def start(self) -> int:
        return 0

    async def close(self) -> None:
        pass
