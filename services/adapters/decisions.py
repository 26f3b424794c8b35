"""The producer of `decisions`: group commit in lanes, which count and chain what they append."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from domain.log.authenticity import Seal
from domain.log.lane import Decided, Lane
from domain.ports import Headers, TooLarge, Unavailable
from services.adapters.kafka import MAX_VALUE

LONGEST_DECISION = MAX_VALUE - 2048
"""The most bytes of a decision without its place in a lane and its envelope, which add a few hundred."""
LANES = 2
"""Two groups of decisions can be under way, so that the worker need not wait for the first."""

NOT_KNOWN = 1 << 30
"""The group's size while a lane that has started has not taken one yet."""

Sealing = Callable[[], Seal]
"""Gives the key that authenticates decisions at present. Raises Unavailable if it is not known."""


class GroupProducer(Protocol):
    async def append_all(self, topic: str, partition: int, records: Sequence[tuple[bytes, Headers]]) -> None:
        """All of them are durable when this returns. Raises Unavailable; any of them may still be written then."""
        ...

    async def close(self) -> None: ...


class DecisionLanes:
    """Appends to `decisions`. A worker keeps to one partition, and moves to the next when an append to it fails.

    Group commit: decisions that come while the lanes are under way go into the next append together. Under load many decisions
    cost one request and one acknowledgement; a single decision waits for no other. Nothing needs their order, but each lane
    counts and chains what it appends (domain/log/lane.py).
    """

    def __init__(
        self, new_producer: Callable[[], GroupProducer], topic: str, partitions: int, start: int, sealing: Sealing
    ) -> None:
        self.topic = topic
        self.worker = uuid4().hex
        """The worker's name, new at each start."""
        self._partitions = partitions
        self._partition = start % partitions
        self._sealing = sealing
        self._numbers = itertools.count()
        self._idle = [_Lane(new_producer(), self._new_lane(), self._partition) for _ in range(LANES)]
        self._lanes = tuple(self._idle)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_Waiting] = []
        self._appending: set[asyncio.Task[None]] = set()
        self._moved: dict[int, _Durable] = {}
        self._under_way = NOT_KNOWN
        """The number of decisions in the group that was taken last."""

    def _new_lane(self) -> Lane:
        return Lane(self.worker, next(self._numbers))

    async def append(self, decided: Decided, headers: Headers) -> None:
        """Append a decision. It is durable when this returns. After Unavailable no caller may get an answer. Raises
        Unavailable; TooLarge for a decision that would fail, and make its whole group fail."""
        if len(decided.own) > LONGEST_DECISION:
            raise TooLarge(f"a decision of {len(decided.own)} bytes")
        # Each has its own future: a caller that goes away takes nothing from the others.
        loop = self._loop
        if loop is None:  # kept, because asking for it is a system call in Python 3.11
            loop = self._loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()
        self._waiting.append((decided, headers, durable))
        # If no lane is under way, any decision that waits starts one. A second lane starts once as many wait as are
        # under way: two groups of one size cost half as many requests as a large one beside many small ones.
        if self._idle and (len(self._idle) == LANES or len(self._waiting) >= self._under_way):
            self._under_way = NOT_KNOWN
            task = asyncio.create_task(self._append_groups(self._idle.pop()))
            self._appending.add(task)
            task.add_done_callback(self._appending.discard)
        await durable

    async def _append_groups(self, lane: _Lane) -> None:
        try:
            await self._append_while_waiting(lane)
        finally:
            self._idle.append(lane)

    async def _append_while_waiting(self, lane: _Lane) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            self._under_way = len(group)
            durably, reason = False, "the append was broken off"
            try:
                seal = self._sealing()
            except Unavailable as unavailable:  # nothing of this group was sent, so the lane goes on
                _fail(group, str(unavailable))
                continue
            if lane.partition != self._partition:
                lane.begin(self._new_lane(), self._partition)
            chain, partition = lane.chain, lane.partition
            try:
                values = [(chain.value(decided, seal), headers) for decided, headers, _ in group]
                await lane.producer.append_all(self.topic, partition, values)
                durably = True
                self._moved[chain.lane] = _Durable(partition, chain.number, chain.digest)
                lane.durable = chain.number
            except Unavailable as unavailable:
                reason = str(unavailable)
                if self._partition == partition:  # both lanes may fail: the first of them moves
                    self._partition = (partition + 1) % self._partitions
            finally:
                if not durably:  # it is not known how much of it was written: no record continues this lane
                    lane.begin(self._new_lane(), lane.partition)
                # Whatever ended the append, even a cancellation or a fault of ours, no caller is left waiting.
                if not durably:
                    _fail(group, reason)
                for _, _, durable in group:
                    if not durable.done():
                        durable.set_result(None)

    def durable(self) -> dict[int, int]:
        """The number of the last decision that is durable, by lane. Lanes that ended are left out."""
        return {each.chain.lane: each.durable for each in self._lanes if each.durable}

    def moved(self) -> list[dict[str, int | str]]:
        """The lanes that have moved since the last call, and how far each is durable, in the form of `decisions.anchored`."""
        moved, self._moved = self._moved, {}
        return [
            {"lane": lane, "partition": each.partition, "number": each.number, "digest": each.digest}
            for lane, each in sorted(moved.items())
        ]

    def moved_still(self, lanes: Sequence[Mapping[str, int | str]]) -> None:
        """Note that these lanes could not be anchored. They count as moved again, unless they have moved on meanwhile."""
        for each in lanes:
            self._moved.setdefault(
                int(each["lane"]), _Durable(int(each["partition"]), int(each["number"]), str(each["digest"]))
            )

    async def close(self) -> None:
        for each in self._lanes:
            await each.producer.close()


_Waiting = tuple[Decided, Headers, asyncio.Future[None]]


def _fail(group: Sequence[_Waiting], reason: str) -> None:
    for _, _, durable in group:
        if not durable.done():
            durable.set_exception(Unavailable(reason))


@dataclass(slots=True)
class _Lane:
    """A producer, the sequence that it appends to, that sequence's partition, and the number up to which it is durable."""

    producer: GroupProducer
    chain: Lane
    partition: int
    durable: int = 0

    def begin(self, chain: Lane, partition: int) -> None:
        self.chain, self.partition, self.durable = chain, partition, 0


@dataclass(frozen=True, slots=True)
class _Durable:
    """How far a lane's records are durable."""

    partition: int
    number: int
    digest: str
