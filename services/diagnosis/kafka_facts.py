"""What Kafka says: brokers, topics, this user's rights, the last record of the log, and how fast topics grow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from domain.durations import HOUR_MICROS
from domain.log.codec import micros, parse
from domain.ports import OutOfRange, Stored, Unavailable, reason_of
from services.adapters import access_lists, topics
from services.adapters.access_lists import KafkaGrant
from services.adapters.bundled import jars
from services.adapters.cluster_description import ClusterDescription, describe, is_of_4, may_in_group
from services.adapters.kafka import KafkaReader, administering, asker, drop
from services.adapters.topic_bounds import TopicBounds
from services.arrangement import PROCESSES, KafkaOperation
from services.settings import Settings

HOURS = 6
"""The span over which growth is measured."""
PATIENCE = 12.0
ADMIN_PATIENCE_MS = 3000
CLUSTER_DENIED = 31


@dataclass(frozen=True, slots=True)
class LastRecord:
    """The last record of `events`. All times are microseconds: `at` by the writer's clock, `appended` by the broker's, `read` by
    ours."""

    at: int
    appended: int
    read: int


@dataclass(frozen=True, slots=True)
class TopicGrowth:
    """Over all topics: how many records there are, and how many came in the last `hours`."""

    records: int
    lately: int
    hours: float


@dataclass(frozen=True, slots=True)
class KafkaFacts:
    """`bundled`: it is the broker that `keytrail up` starts. `configs`: by topic. `groups`: what this user may do in each; None
    for one whose coordinator does not say it. `grants`: what ACLs permit; None if this user may not see them, or if the cluster
    has no authorizer. `bounds`: by topic and partition, the first offset and the next."""

    bundled: bool
    version: str
    cluster: ClusterDescription
    configs: Mapping[str, Mapping[str, str]]
    groups: Mapping[str, frozenset[KafkaOperation] | None]
    grants: frozenset[KafkaGrant] | None
    bounds: Mapping[str, Mapping[int, tuple[int, int]]]
    last: LastRecord | None
    growth: TopicGrowth | None


async def kafka_facts(settings: Settings, now: int, *, bundled: bool) -> KafkaFacts:
    """`now`: microseconds. Raises Unavailable."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await _facts(settings, now, bundled=bundled)
    except (KafkaConnectionError, TimeoutError) as fault:
        raise Unavailable("no broker answers") from fault
    except (KafkaError, OSError, ValueError) as fault:  # ValueError: an address or a file that is none
        raise Unavailable(reason_of(fault)) from fault


async def _facts(settings: Settings, now: int, *, bundled: bool) -> KafkaFacts:
    named = topics.names(settings)
    async with administering(settings, ADMIN_PATIENCE_MS) as client:
        cluster = await describe(client, astuple(named))
        configs = {}
        for topic in cluster.topics:
            with suppress(KafkaError):  # this user may not ask for them, which its rights say
                configs[topic] = await topics.configs_of(client, topic)
        version = jars.KAFKA if bundled else "4.0 or later" if await is_of_4(client) else "before 4.0"
        asked = sorted(_groups(settings))
        # At once: each may wait for a coordinator, and together they would take the time of everything that is asked after them.
        groups = dict(zip(asked, await asyncio.gather(*(may_in_group(client, each) for each in asked)), strict=True))
        grants = await _grants(client)
    bounds = await _bounds(settings, list(cluster.topics))
    last = await _last(settings, named.events, bounds.get(named.events, {}))
    growth = await _growth(settings, bounds, now)
    return KafkaFacts(bundled, version, cluster, configs, groups, grants, bounds, last, growth)


def _groups(settings: Settings) -> set[str]:
    return {f"{settings.topic_prefix}.{group}" for process in PROCESSES for group in process.groups}


async def _grants(client: AIOKafkaAdminClient) -> frozenset[KafkaGrant] | None:
    try:
        found = await access_lists.granted(client)
    except KafkaError as fault:
        if getattr(fault, "errno", 0) == CLUSTER_DENIED:
            return None
        raise
    return None if found is None else frozenset(found)


async def _bounds(settings: Settings, found: list[str]) -> Mapping[str, Mapping[int, tuple[int, int]]]:
    """Topics that this user may not read are left out."""
    result: dict[str, Mapping[int, tuple[int, int]]] = {}
    for topic in found:
        asking = TopicBounds(settings, topic)
        try:
            with suppress(Unavailable):
                result |= await asking.now()
        finally:
            await asking.close()
    return result


async def _last(settings: Settings, topic: str, parts: Mapping[int, tuple[int, int]]) -> LastRecord | None:
    """None if there is no record yet, if the last value is no record, or if this user may not read it."""
    start, end = parts.get(0, (0, 0))
    if end <= start:
        return None
    reader = await KafkaReader(settings, topic).open(end - 1)
    try:
        stored: Stored = (await reader.read(1))[0]
    except (OutOfRange, Unavailable):
        return None
    finally:
        await reader.close()
    document = parse(stored.value)
    try:
        at = micros(str((document or {})["at"]))
    except (KeyError, ValueError):
        return None
    return LastRecord(at, stored.appended, time.time_ns() // 1000)


async def _growth(
    settings: Settings, bounds: Mapping[str, Mapping[int, tuple[int, int]]], now: int
) -> TopicGrowth | None:
    """None if there is no record."""
    spans = {TopicPartition(topic, part): each for topic, parts in bounds.items() for part, each in parts.items()}
    records = sum(end - start for start, end in spans.values())
    if not records:
        return None
    consumer = await asker(settings, *bounds)
    try:
        since = await consumer.offsets_for_times(dict.fromkeys(spans, (now - HOURS * HOUR_MICROS) // 1000))
        first = await consumer.offsets_for_times(dict.fromkeys(spans, 0))
    finally:
        await drop(consumer)
    lately = sum(end - since[part].offset for part, (_, end) in spans.items() if since.get(part) is not None)
    begun = min((each.timestamp * 1000 for each in first.values() if each is not None), default=now)
    hours = max(1 / 60, min(HOURS, (now - begun) / HOUR_MICROS))
    return TopicGrowth(records, lately, hours)
