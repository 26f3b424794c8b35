"""How far the processes that follow the topics have come, and how many records wait for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.transparency.order import LeafOrder
from projections.log.entry import DECISIONS, EVENTS
from projections.registry import PROJECTIONS
from services.adapters.postgres import Pool
from services.alert_worker.positions import reached as judged_up_to
from services.audit_devices import device_rows
from services.notary import leaf_rows
from services.projector.store import positions

TopicEnds = Mapping[str, Mapping[int, int] | None]
"""By kind of topic and partition, the offset of the next record; None for a topic whose ends the broker does not say."""


def ends_of(bounds: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """Where partitions end, from the first offset and the next of each. One whose records were all removed by a retention is left
    out: nothing waits there, also for a follower that has read nothing of it."""
    return {part: end for part, (begin, end) in bounds.items() if begin < end or not end}


async def projected(pool: Pool) -> dict[str, dict[str, int]]:
    """By projection and partition, the next offset to take in. Raises Postgres's errors."""
    async with pool.acquire() as connection:
        return {
            name: {f"{topic}/{partition}": after for (topic, partition), after in found.items()}
            for name in PROJECTIONS
            if (found := await positions(connection, f"p_{name}")) is not None
        }


def waiting(reached: Mapping[str, int], ends: TopicEnds) -> int | None:
    """How many records of its topics a follower has not read; None if the broker does not say where one of them ends."""
    count = 0
    for topic, partitions in ends.items():
        if partitions is None:
            return None
        count += sum(max(0, end - reached.get(f"{topic}/{each}", 0)) for each, end in partitions.items())
    return count


def unprojected(reached: Mapping[str, Mapping[str, int]], ends: TopicEnds) -> dict[str, int | None]:
    """For each projection, how many records wait for it."""
    return {
        name: waiting(each, {topic: ends.get(topic) for topic in PROJECTIONS[name].topics})
        for name, each in reached.items()
    }


async def judged(pool: Pool) -> dict[str, int] | None:
    """By partition, the next offset that the alert rules judge; None if no alert worker ever ran. Raises Postgres's errors."""
    if await pool.fetchval("SELECT to_regclass('alerting.positions') IS NULL"):
        return None
    found = await judged_up_to(pool)
    return {f"{topic}/{partition}": each.next for (topic, partition), each in sorted(found.items())}


def unjudged(reached: Mapping[str, int], ends: TopicEnds) -> dict[str, int | None]:
    """For each partition, how many records wait to be judged; `decisions` where the broker does not say where that ends."""
    left: dict[str, int | None] = {}
    for topic in (EVENTS, DECISIONS):
        partitions = ends.get(topic)
        if partitions is None:
            left[topic] = None
            continue
        for partition, end in partitions.items():
            part = f"{topic}/{partition}"
            left[part] = end - reached.get(part, 0)
    return left


async def notarised(pool: Pool) -> tuple[LeafOrder, dict[str, int]]:
    """The leaves of the transparency log, and by partition the next offset to become one. Raises Postgres's errors."""
    order = await leaf_rows.stated(pool)
    return order, {f"{kind}/{partition}": position for (kind, partition), position in order.next.items()}


def of_device(reached: Mapping[str, int], ends: TopicEnds) -> int | None:
    """How many records wait for an audit device."""
    return waiting(reached, {topic: ends.get(topic) for topic in (EVENTS, DECISIONS)})


async def devices(pool: Pool, ends: TopicEnds) -> dict[str, dict[str, Any]]:
    """By audit device, how many records wait for it, and what device_rows says of it. Raises Postgres's errors."""
    return {
        each["device"]: {
            "kind": each["kind"],
            "lag": of_device(each["next"], ends),
            "named": each["named"],
            "fault": each["fault"],
            "since": each["since"],
        }
        for each in await device_rows.state(pool)
    }
