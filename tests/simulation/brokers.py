"""Kafka as the simulation has it: partitions, what may happen to an append, and the ways between processes and brokers.

A partition is the list of its values that are replicated. What a broker had alone when it lost its leadership was never read by
anybody: its producer sends it again, in order, or it is gone. So all of Kafka's promises for `acks=all` hold here, and nothing more
than those, unless a fault takes them away.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from domain.ports import Headers, OutOfRange, Stored, Unavailable
from services.adapters.kafka import APPEND_DEADLINE, ASK_DEADLINE
from tests.memory_log import Sent
from tests.simulation.virtual import Process, current

NO_PROCESS = "the world"


@dataclass(slots=True)
class Odds:
    """What may go wrong with a batch, as chances. `lost`: it never lands, and its producer is told so. `unsaid`: it never lands, and
    nobody is told. `unanswered`: it lands, and its producer is told of a failure. `twice`: it lands twice."""

    lost: float = 0.0
    unsaid: float = 0.0
    unanswered: float = 0.0
    twice: float = 0.0


class Link:
    """The way between one process and the brokers, or the database. `to`, `back`: whether it is cut in this direction."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self.to = self.back = False
        self.slow = 1.0
        self.frozen: dict[str, int] | None = None
        """By partition, the end that a broker gives who does not know yet that another one leads; None: no such broker is in the way."""
        self._changed = asyncio.Event()

    def cut(self, *, to: bool, back: bool) -> None:
        self.to, self.back = to, back
        self._changed.set()
        self._changed = asyncio.Event()

    def freeze(self, partitions: dict[str, int] | None) -> None:
        self.frozen = partitions
        self.cut(to=self.to, back=self.back)

    async def changed(self) -> None:
        await self._changed.wait()

    async def thawed(self) -> None:
        while self.frozen is not None:
            await self._changed.wait()

    async def _way(self, after: float = 0.0) -> None:
        await asyncio.sleep(after + self._chance.uniform(0.0003, 0.002) * self.slow)

    async def there(self, after: float = 0.0) -> None:
        """Returns when what is sent in so many seconds reaches the brokers."""
        await self._way(after)
        while self.to:
            await self._changed.wait()

    async def leads(self) -> None:
        """Returns when what is sent reaches the broker that leads."""
        await self.there()
        await self.thawed()

    async def home(self) -> None:
        await self._way()
        await self.clear()

    async def clear(self) -> None:
        """Returns when the way back is not cut."""
        while self.back:
            await self._changed.wait()


class Partition:
    def __init__(self, brokers: Brokers, name: str) -> None:
        self._brokers = brokers
        self.name = name
        self.values: list[bytes] = []
        self.times: list[int] = []
        self.grown = asyncio.Event()
        self.order = asyncio.Lock()
        """Held by the batch that is being replicated: the others behind it wait, in the order in which they came."""

    def land(self, values: Sequence[bytes]) -> int:
        at = len(self.values)
        self.values += values
        self.times += [self._brokers.clock()] * len(values)
        self._tell()
        return at

    def cut(self, count: int) -> list[bytes]:
        """Loses the last values, though they were acknowledged. No broker may do that: it is a disaster."""
        at = max(0, len(self.values) - count)
        gone = self.values[at:]
        del self.values[at:], self.times[at:]
        self._tell()
        return gone

    def _tell(self) -> None:
        self.grown.set()
        self.grown = asyncio.Event()


class Brokers:
    """`led`: set while every partition has a leader."""

    one_is_enough = False
    """acks=1: an append counts before it is replicated. For a deliberate break."""
    any_leader_is_believed = False
    """An end counts though no other broker confirms the leader who gave it. For a deliberate break."""

    def __init__(self, chance: Random, loop: asyncio.AbstractEventLoop, epoch: float) -> None:
        self.chance = chance
        self.partitions: dict[str, Partition] = {}
        self.odds = Odds()
        self.led = asyncio.Event()
        self.led.set()
        self.failovers = 0
        self.skew = 0.0
        self.links: dict[str, Link] = {}
        self._loop = loop
        self._epoch = epoch

    def clock(self) -> int:
        """Milliseconds since the epoch."""
        return int((self._epoch + self._loop.time() + self.skew) * 1000)

    def partition(self, name: str) -> Partition:
        if name not in self.partitions:
            self.partitions[name] = Partition(self, name)
        return self.partitions[name]

    def link(self, process: Process | None) -> Link:
        name = NO_PROCESS if process is None else process.name
        if name not in self.links:
            self.links[name] = Link(self.chance)
        return self.links[name]

    async def fail_over(self, seconds: float) -> None:
        """The leader is lost; for so long there is none."""
        self.failovers += 1
        self.led.clear()
        await asyncio.sleep(seconds)
        self.led.set()

    async def replicate(self, partition: Partition, values: Sequence[bytes]) -> int | None:
        """The offset of the first; None if the leader was lost with them."""
        await self.led.wait()
        async with partition.order:
            before = self.failovers
            await asyncio.sleep(self.chance.uniform(0.0005, 0.003))
            if self.failovers != before:
                await self.led.wait()
                if self.chance.random() < 0.5:
                    return None
            at = partition.land(values)
            if self.chance.random() < self.odds.twice:
                partition.land(values)
            return at


@dataclass(slots=True)
class _Batch:
    partition: Partition
    values: list[bytes]
    landed: asyncio.Future[int]


class Producer:
    """What one producer has sent lands in the order in which it was sent, or not at all. Works in the world's own context: what is on
    the network lands whatever becomes of its process."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._process = current()
        self._link = brokers.link(self._process)
        self._queue: deque[_Batch] = deque()
        self._pumping: asyncio.Task[None] | None = None
        self._given_up = False

    def send(self, partition: Partition, values: Sequence[bytes]) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        batch = _Batch(partition, list(values), loop.create_future())
        batch.landed.add_done_callback(_seen)
        self._queue.append(batch)
        if self._pumping is None:
            self._pumping = loop.create_task(self._pump(), context=contextvars.Context())
        return batch.landed

    async def _pump(self) -> None:
        while self._queue:
            await self._link.leads()
            process = self._process
            if process is not None:
                await process.goes_on()
            if self._given_up or (process is not None and process.dead):
                break
            together = self._together()
            await self._land(together)
        self._queue.clear()
        self._pumping = None

    def _together(self) -> list[_Batch]:
        """What has been sent to one partition by now travels as one batch."""
        first = self._queue.popleft()
        found = [first]
        while self._queue and self._queue[0].partition is first.partition:
            found.append(self._queue.popleft())
        return found

    async def _land(self, together: list[_Batch]) -> None:
        brokers, partition = self._brokers, together[0].partition
        values = [value for each in together for value in each.values]
        draw, odds = brokers.chance.random(), brokers.odds
        if draw < odds.lost:
            return self._fail(together, "the broker refused it")
        if draw < odds.lost + odds.unsaid:
            return None
        if brokers.one_is_enough:
            return await self._land_weakly(together, values)
        while (at := await brokers.replicate(partition, values)) is None:
            if self._given_up or (self._process is not None and self._process.dead):
                return None
        if draw < odds.lost + odds.unsaid + odds.unanswered:
            return self._fail(together, "the answer was lost")
        return self._answer(together, at)

    async def _land_weakly(self, together: list[_Batch], values: list[bytes]) -> None:
        partition = together[0].partition
        await self._brokers.led.wait()
        async with partition.order:
            at, before = len(partition.values), self._brokers.failovers
            self._answer(together, at)
            await asyncio.sleep(self._brokers.chance.uniform(0.0005, 0.05))
            if self._brokers.failovers == before:
                partition.land(values)

    def _answer(self, together: list[_Batch], at: int) -> None:
        async def answered() -> None:
            await self._link.home()
            place = at
            for each in together:
                if not each.landed.done():
                    each.landed.set_result(place)
                place += len(each.values)

        asyncio.get_running_loop().create_task(answered())

    def _fail(self, together: list[_Batch], why: str) -> None:
        for each in together:
            if not each.landed.done():
                each.landed.set_exception(Unavailable(why))

    def give_up(self) -> None:
        """The producer is thrown away. What it has not sent yet may still be sent, or not."""
        self._given_up = self._brokers.chance.random() < 0.5

    # -- what `services.adapters.decisions` asks of a producer ------------------------------------------------------

    async def append_all(self, topic: str, partition: int, records: Sequence[tuple[bytes, Headers]]) -> None:
        """Raises Unavailable."""
        await self.append(self._brokers.partition(f"{topic}-{partition}"), [value for value, _ in records])

    async def append(self, partition: Partition, values: Sequence[bytes]) -> int:
        """Raises Unavailable."""
        try:
            async with asyncio.timeout(APPEND_DEADLINE):
                return await asyncio.shield(self.send(partition, values))
        except (TimeoutError, Unavailable) as fault:
            self.give_up()
            raise Unavailable(f"{partition.name} could not be appended to: {fault}") from fault

    async def close(self) -> None:
        pass


class FreshProducer:
    """Another producer after each that failed, as `services.adapters.kafka.Producer` makes one."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._producer = Producer(brokers)

    async def append_all(self, topic: str, partition: int, records: Sequence[tuple[bytes, Headers]]) -> None:
        producer = self._producer
        try:
            await producer.append_all(topic, partition, records)
        except Unavailable:
            self._producer = Producer(self._brokers)
            raise

    async def append(self, partition: Partition, values: Sequence[bytes]) -> int:
        producer = self._producer
        try:
            return await producer.append(partition, values)
        except Unavailable:
            self._producer = Producer(self._brokers)
            raise

    def send(self, partition: Partition, values: Sequence[bytes]) -> asyncio.Future[int]:
        return self._producer.send(partition, values)

    async def close(self) -> None:
        pass


class SimulatedReader:
    def __init__(self, brokers: Brokers, partition: Partition, offset: int) -> None:
        self._brokers = brokers
        self._partition = partition
        self._next = offset
        self._link = brokers.link(current())

    async def read(self, limit: int) -> Sequence[Stored]:
        """Raises OutOfRange; Unavailable, now and then, while the way is cut."""
        partition = self._partition
        while True:
            await self._reach()
            if self._next > len(partition.values):
                raise OutOfRange(f"{self._next} is behind the end of {partition.name}")
            if self._link.frozen is not None:  # a broker that led: it has no new records, and answers as if it led
                await self._link.changed()
                continue
            if self._next == len(partition.values):
                await partition.grown.wait()
                continue
            upto = min(len(partition.values), self._next + limit)
            found = [
                Stored(place, partition.values[place], partition.times[place] * 1000)
                for place in range(self._next, upto)
            ]
            await self._link.clear()
            self._next = upto
            return found

    async def _reach(self) -> None:
        if (self._link.to or self._link.back) and self._brokers.chance.random() < 0.5:
            await asyncio.sleep(self._brokers.chance.uniform(1.0, 3.0))
            raise Unavailable("the broker does not answer")
        await self._link.there()
        await self._brokers.led.wait()

    async def close(self) -> None:
        pass


class SimulatedTopic:
    """One topic of one partition (port Topic), as the process that made it reaches it."""

    def __init__(self, brokers: Brokers, topic: str) -> None:
        self.topic = topic
        self._brokers = brokers
        self._partition = brokers.partition(topic)
        self._producer = FreshProducer(brokers)
        self._link = brokers.link(current())

    async def connect(self) -> None:
        pass

    async def append(self, value: bytes, headers: Headers = ()) -> int:
        return await self._producer.append(self._partition, [value])

    async def send(self, value: bytes, headers: Headers = ()) -> asyncio.Future[Sent]:
        landed = self._producer.send(self._partition, [value])
        told: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()

        def tell(done: asyncio.Future[int]) -> None:
            if told.done():
                return
            fault = done.exception()
            if fault is not None:
                told.set_exception(fault)
            else:
                told.set_result(Sent(done.result(), self._brokers.clock()))

        landed.add_done_callback(tell)
        return told

    async def reader(self, offset: int) -> SimulatedReader:
        return SimulatedReader(self._brokers, self._partition, offset)

    async def end(self) -> int:
        try:
            async with asyncio.timeout(ASK_DEADLINE):
                await self._link.there()
                await self._brokers.led.wait()
                if not self._brokers.any_leader_is_believed:
                    await self._link.thawed()
                frozen, name = self._link.frozen, self._partition.name
                end = len(self._partition.values) if frozen is None else frozen.get(name, 0)
                await self._link.clear()
                return end
        except TimeoutError as fault:
            raise Unavailable("the broker does not answer") from fault

    async def start(self) -> int:
        return 0

    async def close(self) -> None:
        pass


def _seen(future: asyncio.Future[int]) -> None:
    """Whoever waited for it may be gone."""
    if not future.cancelled():
        future.exception()
