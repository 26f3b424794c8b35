"""Moves the leadership of a partition from one broker to another by hand, as an operator does before maintenance.

AlterPartitionReassignments puts the replicas into another order, and ElectLeaders makes the first of them the leader. aiokafka has
neither request.
"""

from __future__ import annotations

from typing import Any

from aiokafka.errors import for_code
from aiokafka.protocol.types import Array, CompactArray, CompactString, Int16, Int32, Schema, String, TaggedFields

from services.adapters.kafka import administering
from services.adapters.kafka_requests import RequestKind
from services.settings import Settings

WAIT_MS = 10_000


_REASSIGN = RequestKind(  # AlterPartitionReassignments
    45,
    0,
    asked=Schema(
        ("timeout_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(("partition", Int32), ("replicas", CompactArray(Int32)), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    ),
    answered=Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", CompactString("utf-8")),
        (
            "responses",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", CompactString("utf-8")),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    ),
)
_ELECT = RequestKind(  # ElectLeaders
    43,
    0,
    asked=Schema(
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
        ("timeout_ms", Int32),
    ),
    answered=Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("topic", String("utf-8")),
                ("partitions", Array(("partition", Int32), ("error_code", Int16), ("error_message", String("utf-8")))),
            ),
        ),
    ),
)
ALREADY_ELECTED = 84


async def leader_of(settings: Settings, topic: str) -> int:
    """The id of the broker that leads partition 0."""
    async with administering(settings) as client:
        (described,) = await client.describe_topics([topic])
        return int(described["partitions"][0]["leader"])


async def move(settings: Settings, topic: str, to: int | None = None) -> int:
    """Make the broker `to`, or any other one in sync, the leader of partition 0. Returns its id. Raises KafkaError."""
    async with administering(settings) as client:
        (described,) = await client.describe_topics([topic])
        (partition,) = described["partitions"]
        first, *rest = sorted(
            partition["replicas"],
            key=lambda each: (each != to, each == partition["leader"], each not in partition["isr"]),
        )
        done: Any = await client._send_request(_REASSIGN(WAIT_MS, [(topic, [(0, [first, *rest], {})], {})], {}))
        for _, parts, _ in done.responses:
            for _, code, message, _ in parts:
                if code:
                    raise for_code(code)(message)
        elected: Any = await client._send_request(_ELECT([(topic, [0])], WAIT_MS))
        for _, parts in elected.results:
            for _, code, message in parts:
                if code not in (0, ALREADY_ELECTED):
                    raise for_code(code)(message)
        return int(first)
