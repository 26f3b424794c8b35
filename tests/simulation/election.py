"""Kafka's consumer group that elects the writer, as the simulation has it: sessions that end, and sticky assignment."""

from __future__ import annotations

import asyncio

from services.writer.election import HEARTBEAT_MS, REBALANCE_MS, SESSION_MS
from tests.simulation.brokers import Brokers, Link
from tests.simulation.virtual import current


class Group:
    """Who is in the group, and who has its one partition."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        """By member: when it was heard last."""
        self.leader = ""
        self._back, self._until = "", 0.0
        """Who came back and let another one lead, and until when the others may join for that; "" if all have joined."""
        self._joined: set[str] = set()

    def returns(self, member: str, now: float) -> None:
        """A member that led before it was killed lets a standby lead. Nobody leads until all others have joined, or for as long as
        a new generation waits."""
        self._expire(now)
        if self.leader == member and len(self.seen) > 1:
            self.leader, self._back, self._until = "", member, now + REBALANCE_MS / 1000
            self._joined.clear()

    def hears(self, member: str, now: float) -> None:
        self.seen[member] = now
        self._expire(now)
        if self._back:
            self._joined.add(member)
            if now >= self._until or self._joined >= self.seen.keys():
                self.leader = min(self._joined - {self._back}, default=self._back)
                self._back = ""
        elif not self.leader:
            self.leader = member

    def _expire(self, now: float) -> None:
        for each in [name for name, at in self.seen.items() if now - at > SESSION_MS / 1000]:
            del self.seen[each]
        if not self._back and self.leader not in self.seen:
            self.leader = min(self.seen, default="")


class SimulatedElection:
    """`services.writer.election.Election` as one process has it. A member that comes back under its name within its session keeps
    what it had (KIP-345), unless it led and another one stands by."""

    def __init__(self, group: Group, brokers: Brokers, member: str) -> None:
        self._group = group
        self._member = member
        self._link: Link = brokers.link(current())
        self._leads = asyncio.Event()
        self._lost = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None

    async def join(self) -> None:
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        await self._link.there()
        self._group.returns(self._member, asyncio.get_running_loop().time())
        pause = 0.0
        while True:
            await self._link.there(pause)
            self._group.hears(self._member, asyncio.get_running_loop().time())
            leader = self._group.leader
            await self._link.clear()
            if leader == self._member:
                self._leads.set()
            elif leader and self._leads.is_set():
                self._lost.set()
            pause = HEARTBEAT_MS / 1000

    async def elected(self) -> None:
        await self._leads.wait()

    async def lost(self) -> None:
        await self._lost.wait()
