"""Which writer leads. The consumer group over `commands` elects it, and does nothing else.

The one partition of `commands` is assigned to one member, and that member leads. Commands are read by assignment from
the offset that the log gives, never from the group's offset. The partition stays in its place when a standby joins, or a
former leader comes back (leader_stays.py). A member loses the partition if it is silent for SESSION_MS, or gives it to a
standby: when it ends in order, and when it comes back after it was killed. A wrong election costs only a takeover, since
the chain decides what counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, NoError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest

from domain.ports import Unavailable, reason_of
from services.adapters.kafka import RETRY_BACKOFF, connection, discard
from services.logs import logger_of
from services.settings import Settings
from services.writer.leader_stays import LeaderStays

log = logger_of("writer")

SESSION_MS = 6000
"""The shortest session that brokers allow by default. A dead leader is replaced after it and one heartbeat of the standby."""
HEARTBEAT_MS = 300
REBALANCE_MS = 3000
"""How long a new generation waits for a member that was killed."""
HAND_OVER_WITHIN, YIELD_WITHIN = 1.0, 2.0
"""Seconds. Neither step has to succeed: without it, changes wait some seconds longer."""
_AFTER_NAME = len("-00000000-0000-0000-0000-000000000000")
"""A broker makes a member's id of the name that the member keeps, a dash and a UUID."""


@dataclass(frozen=True, slots=True)
class GroupMember:
    """`id` is the broker's for one life of a process, `name` the one that it keeps (group.instance.id)."""

    id: str
    name: str
    leads: bool


class Election(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no type information
    """`elected` waits until this member leads, `lost` until it no longer does."""

    def __init__(self, settings: Settings, topic: str, group: str, member: str) -> None:
        self._assignor: Any = LeaderStays(self._generation, self._own_id)
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
            rebalance_timeout_ms=REBALANCE_MS,
            request_timeout_ms=SESSION_MS,  # a rebalance takes as long as its slowest member
            max_poll_interval_ms=2_147_483_647,
            partition_assignment_strategy=[self._assignor],
            metadata_max_age_ms=30_000,
        )
        self._consumer = consumer
        try:
            await consumer.start()
            await consumer._client._wait_on_metadata(self._topic)  # otherwise a missing topic would be no error
            await self._yield_to_standby(consumer._coordinator)
            consumer.subscribe([self._topic], listener=self)
            await consumer._subscription.wait_for_assignment()
        except KafkaError as fault:
            await discard(consumer)
            raise Unavailable(reason_of(fault)) from fault

    async def _yield_to_standby(self, coordinator: Any) -> None:
        """A member that was killed and comes back within its session would lead again, by its name, and begin with a snapshot.
        That takes seconds where the log is large. A standby has usually followed the log, so let that one lead."""
        try:
            async with asyncio.timeout(YIELD_WITHIN):
                members = await self._members_by_now(coordinator)
                former = next((each for each in members if each.name == self.member and each.leads), None)
                if former is not None and len(members) > 1:
                    await self._leave(coordinator, former.id)
                    log.info(
                        "this writer led before it started again; one that stands by is to lead", member=self.member
                    )
        except Exception as fault:  # noqa: BLE001  # if it matters, the join that follows meets it too
            log.info("this writer cannot tell whether it led before", member=self.member, reason=repr(fault))

    async def _members_by_now(self, coordinator: Any) -> list[GroupMember]:
        """Asks until the broker that coordinates the group by now answers. Raises KafkaError, OSError."""
        while True:
            await coordinator.ensure_coordinator_known()
            try:
                return await self._members(coordinator)
            except KafkaError as fault:
                if not fault.retriable:
                    raise
                coordinator.coordinator_dead()
                await asyncio.sleep(RETRY_BACKOFF)

    async def _members(self, coordinator: Any) -> list[GroupMember]:
        """Who is in the group. Raises KafkaError, OSError."""
        described = await coordinator._send_req(DescribeGroupsRequest([self._group]))
        found = []
        for code, *_, members in (group[:6] for group in described.groups):
            _require(code)
            for id, _client, _host, _metadata, assignment in members:
                found.append(GroupMember(id, id[:-_AFTER_NAME], _has_partitions(assignment)))
        return found

    async def _leave(self, coordinator: Any, member: str) -> None:
        """Raises KafkaError, OSError."""
        _require((await coordinator._send_req(LeaveGroupRequest(self._group, member))).error_code)

    def _own_id(self) -> str:
        assert self._consumer is not None, "join comes first"
        return str(self._consumer._coordinator.member_id)

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
        session. Without a standby it stays in the group, and leads by its name when it comes back. End the process right after
        this: a member that goes on joins again. Raises KafkaError, TimeoutError, OSError."""
        if self._consumer is None or not self._leads.is_set() or self._lost.is_set():
            return
        coordinator = self._consumer._coordinator
        async with asyncio.timeout(HAND_OVER_WITHIN):
            if len(await self._members(coordinator)) > 1:
                await self._leave(coordinator, coordinator.member_id)

    async def elected(self) -> None:
        await self._leads.wait()

    async def lost(self) -> None:
        await self._lost.wait()


def _has_partitions(assignment: bytes) -> bool:
    return bool(assignment and ConsumerProtocolMemberAssignment.decode(assignment).partitions())


def _require(code: int) -> None:
    """Raises the KafkaError of a code, if it is one."""
    fault = for_code(code)
    if fault is not NoError:
        raise fault
