"""Faust's transport as the simulation has it: a consumer group, offsets that it keeps, and streams that are judged in order.

A worker that is not heard of loses its partitions, and may not know it yet; another one then judges the same records. After a change of
hands a stream may begin some records too late, as Faust's offsets may be ahead of what was judged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from domain.ports import OutOfRange, Reader, Unavailable
from projections.log.entry import EVENTS
from services.alert_worker.books import LogPartition
from services.alert_worker.faust_app import SESSION, Take
from services.alert_worker.followed import FollowedTopics
from tests.simulation.brokers import Link

BEAT = SESSION / 4
AT_ONCE = 500
PASSED_OVER = 0.2
"""The chance that a stream begins too late."""
FETCH = (0.1, 0.4)
"""Seconds until records that come meanwhile are fetched: the fetch under way leaves out partitions whose records are being judged."""


@dataclass(slots=True)
class AlertGroup:
    """Who is in the group, when it was heard last, and who has which partition. `read`: the group's offsets."""

    parts: Sequence[LogPartition]
    seen: dict[str, float] = field(default_factory=dict)
    owners: dict[LogPartition, str] = field(default_factory=dict)
    read: dict[LogPartition, int] = field(default_factory=dict)

    def hears(self, member: str, now: float, done: dict[LogPartition, int]) -> set[LogPartition]:
        """`done`: how far the member has come, which counts for what is still its own. Returns what it has from now on."""
        self.read.update((part, at) for part, at in done.items() if self.owners.get(part) == member)
        self.seen[member] = now
        for each in [name for name, at in self.seen.items() if now - at > SESSION]:
            del self.seen[each]
        self._assign()
        return {part for part, owner in self.owners.items() if owner == member}

    def _assign(self) -> None:
        """Partitions stay where they are as far as nobody has two more than another."""
        counts = Counter(dict.fromkeys(sorted(self.seen), 0))
        counts.update(owner for owner in self.owners.values() if owner in self.seen)
        for part in self.parts:
            least, owner = min(counts, key=lambda each: counts[each]), self.owners.get(part, "")
            if owner not in self.seen or counts[owner] > counts[least] + 1:
                counts[least] += 1
                counts[owner] -= 1
                self.owners[part] = least


class AlertStreams:
    """The streams of one worker. `ended` ends its process."""

    def __init__(
        self,
        group: AlertGroup,
        member: str,
        link: Link,
        chance: Random,
        topics: FollowedTopics,
        takes: dict[str, Take],
        ended: Callable[[str], None],
    ) -> None:
        self._group, self._member, self._link, self._chance = group, member, link, chance
        self._topics, self._takes, self._ended = topics, takes, ended
        self._done: dict[LogPartition, int] = {}
        self._streams: dict[LogPartition, asyncio.Task[None]] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._link.there()
            own = self._group.hears(self._member, loop.time(), self._done)
            await self._link.clear()
            for part in sorted(self._streams.keys() - own):
                self._streams.pop(part).cancel()
                self._done.pop(part, None)
            for part in sorted(own - self._streams.keys()):
                self._streams[part] = loop.create_task(self._follow(part))
            await asyncio.sleep(BEAT)

    async def _follow(self, part: LogPartition) -> None:
        try:
            begin = self._group.read.get(part, 0)
            if self._chance.random() < PASSED_OVER:
                begin = min(begin + self._chance.randint(1, 5), await self._end(part))
            while True:
                begin = await self._read_from(part, begin)
        except Exception as fault:  # noqa: BLE001  # it would be lost with its task
            self._ended(f"the stream of {part} crashed: {fault!r}")

    async def _read_from(self, part: LogPartition, begin: int) -> int:
        """Reads until that fails. Returns where to go on."""
        take, partition = self._takes[part[0]], part[1]
        reader = await self._reader(part, begin)
        while True:
            try:
                found = await reader.read(AT_ONCE)
            except Unavailable:
                await asyncio.sleep(0.5)
                continue
            except OutOfRange:
                return 0  # `auto_offset_reset` of Faust is "earliest"
            await take(partition, found)
            self._done[part] = begin = found[-1].offset + 1
            await asyncio.sleep(self._chance.uniform(*FETCH))

    async def _reader(self, part: LogPartition, offset: int) -> Reader:
        if part[0] == EVENTS:
            return await self._topics.events.reader(offset)
        return await self._topics.reader(part[1], offset)

    async def _end(self, part: LogPartition) -> int:
        try:
            return await self._topics.events.end() if part[0] == EVENTS else (await self._topics.bounds())[part[1]][1]
        except Unavailable:
            return 0
