"""What the brokers say of themselves, of topics, and of what this user may do there. It makes no topic and changes nothing.

aiokafka has these requests in versions that leave out the rights. It would also let a broker make a topic that it is asked about,
where `auto.create.topics.enable` is on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
    NodeNotReadyError,
    NotCoordinatorForGroupError,
    RequestTimedOutError,
    for_code,
)
from aiokafka.protocol.admin import ApiVersionRequest, DescribeGroupsResponse_v3
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from services.adapters.access_lists import OPERATIONS
from services.adapters.kafka_requests import RequestKind
from services.arrangement import KafkaOperation

NO_TOPIC, DENIED = 3, 29
"""UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED (kafka.apache.org/protocol, error codes)."""
FETCH, FETCH_OF_4 = 1, 4
NO_COORDINATOR: tuple[type[Exception], ...] = (
    *(GroupLoadInProgressError, GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError),
    *(RequestTimedOutError, NodeNotReadyError, KafkaConnectionError, TimeoutError),
)
"""A group's coordinator is being elected, still reads the group, or is on a broker that does not answer."""
GROUP_PATIENCE, BEFORE_RETRY = 4.0, 0.5
"""Seconds in which a coordinator has to be found and to answer; and before it is asked again."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """`leader`: a broker's number; below 0 if there is none. `in_sync`: how many of the replicas have everything."""

    number: int
    leader: int
    replicas: int
    in_sync: int


@dataclass(frozen=True, slots=True)
class TopicState:
    """`may`: what this user may do there, as far as Keytrail uses it."""

    partitions: Sequence[PartitionState]
    may: frozenset[KafkaOperation]


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """`topics` has those that this user may see. `denied`: those that are there or not, and are not shown to this user."""

    brokers: Mapping[int, str]
    topics: Mapping[str, TopicState]
    denied: frozenset[str]


async def describe(client: AIOKafkaAdminClient, topics: Iterable[str]) -> ClusterDescription:
    """Raises KafkaError."""
    answer: Any = await client._send_request(_METADATA(list(topics), False, False, True))
    found, denied = {}, set()
    for code, name, _, partitions, operations in answer.topics:
        if code == DENIED:
            denied.add(name)
        elif code != NO_TOPIC and partitions:
            states = [
                PartitionState(number, leader, len(replicas), len(in_sync))
                for _, number, leader, _, replicas, in_sync, _ in partitions
            ]
            found[name] = TopicState(sorted(states, key=lambda each: each.number), _operations(operations))
    brokers = {number: f"{host}:{port}" for number, host, port, _ in answer.brokers}
    return ClusterDescription(brokers, found, frozenset(denied))


async def may_in_group(client: AIOKafkaAdminClient, group: str) -> frozenset[KafkaOperation] | None:
    """What this user may do in a consumer group, which need not be there. None if no coordinator of the group says it. Raises
    KafkaError."""
    try:
        async with asyncio.timeout(GROUP_PATIENCE):
            try:
                return await _described_by_coordinator(client, group)
            except NO_COORDINATOR:
                await asyncio.sleep(BEFORE_RETRY)
                return await _described_by_coordinator(client, group)
    except NO_COORDINATOR:
        return None


async def _described_by_coordinator(client: AIOKafkaAdminClient, group: str) -> frozenset[KafkaOperation]:
    try:
        found: Any = await client._send_request(FindCoordinatorRequest(group, 0))
        if found.error_code:
            raise for_code(found.error_code)(group)
        answer: Any = await client._send_request_to_node(found.coordinator_id, _DESCRIBE_GROUPS([group], True))
    except GroupAuthorizationFailedError:
        return frozenset()
    ((code, _, _, _, _, _, operations),) = answer.groups
    if code == GroupAuthorizationFailedError.errno:
        return frozenset()
    if code:
        raise for_code(code)(group)
    return _operations(operations)


async def is_of_4(client: AIOKafkaAdminClient) -> bool:
    """Whether a broker is of Kafka 4.0 or later. Brokers do not name their version; those of 4.0 dropped the first versions of
    Fetch (KIP-896). Raises KafkaError."""
    answer: Any = await client._send_request(ApiVersionRequest())
    return any(key == FETCH and least >= FETCH_OF_4 for key, least, _ in answer.api_versions)


def _operations(bits: int) -> frozenset[KafkaOperation]:
    """A bit for each operation, at the place of its number (KIP-430)."""
    return frozenset(each for each, number in OPERATIONS.items() if bits >= 0 and bits >> number & 1)


_METADATA = RequestKind(
    3,
    8,
    asked=Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    ),
    answered=Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("name", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    ),
)
_DESCRIBE_GROUPS = RequestKind(
    15,
    3,
    asked=Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean)),
    answered=DescribeGroupsResponse_v3.SCHEMA,
)
