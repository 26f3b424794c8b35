"""Which writer leads. The consumer group over `commands` elects it, and does nothing else.

The one partition of `commands` is assigned to one member, and that member leads. Commands are read by assignment from
the offset that the log gives, never from the group's offset. The partition stays in its place when a standby joins, or a
former leader comes back (leader_stays.py). A member loses the partition if it is silent for SESSION. A wrong election
costs only a takeover, since the chain decides what counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest

from domain.ports import Unavailable
from services.adapters.kafka import connection, discard
from services.logs import logger_of
from services.settings import Settings
from services.writer.leader_stays import LeaderStays

log = logger_of("writer")

SESSION_MS = 6000
"""The shortest session that brokers allow by default. A dead leader is replaced after it and one heartbeat of the standby."""
HEARTBEAT_MS = 300
HAND_OVER_WITHIN = 1.0
YIELD_WITHIN, LOOK_EVERY = 2.0, 0.1
_AFTER_NAME = len("-00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True)
class GroupMember:
    """`id` is the broker's for one life of a process, `name` the one that it keeps (group.instance.id)."""

    id: str
    name: str
    leads: bool


class Election(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no type information
    """`elected` waits until this member leads, `lost` until it no longer does."""

    def __init__(self, settings: Settings, topic: str, group: str, member: str) -> None:
        self._assignor: Any = LeaderStays(self._generation)
        self._settings = settings
        self._topic = topic
        self._group = group
        self.member = member
        self._consumer: AIOKafkaConsumer | None = None
        self._leads = asyncio.Event()
        self._lost = asyncio.Event()

    async def join(self) -> None:
        """Raises Unavailable."""
        consumer = AIOKafkaConsumer(
            **connection(self._settings),
            group_id=self._group,
            group_instance_id=self.member,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=3000,
            request_timeout_ms=SESSION_MS,  # a rebalance takes as long as its slowest member
            max_poll_interval_ms=2_147_483_647,
            partition_assignment_strategy=[self._assignor],
            metadata_max_age_ms=30_000,
        )
        self._consumer = consumer
        try:
            await consumer.start()
            await self._yield_to_standby(consumer._coordinator)
            consumer.subscribe([self._topic], listener=self)
            await consumer._subscription.wait_for_assignment()
        except KafkaError as fault:
            await discard(consumer)
            raise Unavailable(str(fault)) from fault

    async def _yield_to_standby(self, coordinator: Any) -> None:
        """A member that was killed and comes back within its session would lead again, by its name, and begin with a snapshot.
        That takes seconds where the log is large, and a standby has followed the log: let that one lead."""
        try:
            async with asyncio.timeout(YIELD_WITHIN):
                await coordinator.ensure_coordinator_known()
                members = await self._members(coordinator)
                killed = next((each for each in members if each.name == self.member and each.leads), None)
                if killed is None or len(members) < 2:
                    return
                log.info("this writer led before it was killed; one that stands by is to lead now", member=self.member)
                self._assignor.claim(TopicPartition(self._topic, 0))  # the standby may have been killed, too
                await coordinator._send_req(LeaveGroupRequest(self._group, killed.id))
                while True:
                    if any(each.leads for each in await self._members(coordinator)):
                        return
                    await asyncio.sleep(LOOK_EVERY)
        except (KafkaError, TimeoutError, OSError) as fault:
            log.info("no other writer leads by now, as far as this one knows", member=self.member, reason=repr(fault))

    async def _members(self, coordinator: Any) -> list[GroupMember]:
        """Who is in the group. While it is being put together, no one leads. Raises KafkaError, OSError."""
        described = await coordinator._send_req(DescribeGroupsRequest([self._group]))
        return [
            GroupMember(id, id[:-_AFTER_NAME], _has_partitions(assignment))
            for *_, members in (group[:6] for group in described.groups)
            for id, _client, _host, _metadata, assignment in members
        ]

    def _generation(self) -> int:
        assert self._consumer is not None, "join comes first"
        return int(self._consumer._coordinator.generation)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Every rebalance revokes first; only the assignment after it says which member leads."""

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if assigned:
            self._leads.set()
            if self._consumer is not None:
                self._consumer.pause(*assigned)
        elif self._leads.is_set():
            self._lost.set()

    async def hand_over(self) -> None:
        """Let a standby lead at once, if this member leads and there is one. Otherwise this member would be missed only after its
        session: it keeps its name, so that it leads again at once when it comes back. End the process right after this: a member
        that goes on joins again. Raises KafkaError, TimeoutError, OSError."""
        if self._consumer is None or not self._leads.is_set() or self._lost.is_set():
            return
        coordinator = self._consumer._coordinator
        async with asyncio.timeout(HAND_OVER_WITHIN):
            if len(await self._members(coordinator)) > 1:
                await coordinator._send_req(LeaveGroupRequest(self._group, coordinator.member_id))

    async def elected(self) -> None:
        await self._leads.wait()

    async def lost(self) -> None:
        await self._lost.wait()


def _has_partitions(assignment: bytes) -> bool:
    return bool(assignment and ConsumerProtocolMemberAssignment.decode(assignment).assignment)
