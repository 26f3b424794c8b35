"""The topics: their names, created if they are missing, and checked at every start.

docs/architecture.md says what is checked and why. A log that could lose or reorder records is refused, and the message has the
command that corrects it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from domain.ports import LogRefused, Unavailable, reason_of
from services.adapters.kafka import KafkaTopic, administering
from services.arrangement import IN_SYNC, REPLICAS
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Topics:
    commands: str
    events: str
    decisions: str
    alerts: str
    order: str
    """The batches of the transparency log's leaves."""


def names(settings: Settings) -> Topics:
    prefix = settings.topic_prefix
    return Topics(
        f"{prefix}.commands", f"{prefix}.events", f"{prefix}.decisions", f"{prefix}.alerts", f"{prefix}.order"
    )


def log_topic(settings: Settings) -> KafkaTopic:
    """Whoever asks for it closes it, or gives it to somebody who does."""
    return KafkaTopic(settings, names(settings).events)


async def has_log(settings: Settings) -> bool:
    """Whether the log's topic is there and ever held a record. Raises Unavailable."""
    events = log_topic(settings)
    try:
        async with administering(settings, ADMIN_TIMEOUT_MS) as client:
            made = events.topic in await client.list_topics()
        return made and await events.end() > 0
    except (KafkaError, TimeoutError) as fault:
        raise Unavailable(f"Kafka at {settings.kafka} does not answer: {reason_of(fault)}") from fault
    finally:
        await events.close()


SETTLED_WITHIN = 15.0
ADMIN_TIMEOUT_MS = 3000
TRIES_AGAIN = 3
"""A client asks one broker or another by chance. One of them may hang."""
FOREVER = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
COMMAND_RETENTION = {"retention.ms": str(7 * 24 * 3600 * 1000), "cleanup.policy": "delete"}
MAX_MESSAGE = {"max.message.bytes": "2097152"}
BROKERS_CLOCK = {"message.timestamp.type": "LogAppendTime"}
"""By this the writer learns the broker's time, which it compares with its own before it destroys anything."""
OWN = (
    "retention.ms",
    "retention.bytes",
    "cleanup.policy",
    "max.message.bytes",
    "min.insync.replicas",
    "unclean.leader.election.enable",
    "flush.messages",
)
"""The topics' settings that are set here."""
FLUSHED = {"flush.messages": "1"}


async def prepare(settings: Settings, *, flush: bool) -> int:
    """Make the missing topics, and check all of them. Returns the number of partitions of `decisions`.

    `flush`: make the broker write every append through to the disk, which a broker without replicas must do. Raises LogRefused,
    Unavailable.
    """
    for _ in range(TRIES_AGAIN):
        with suppress(Unavailable):
            return await _prepared(settings, flush=flush)
    return await _prepared(settings, flush=flush)


async def _prepared(settings: Settings, *, flush: bool) -> int:
    try:
        async with administering(settings, ADMIN_TIMEOUT_MS) as client:
            await create(client, await missing(client, settings, flush=flush))
            if flush:
                await _bring_up_to_date(client, settings)
            return await check(client, settings)
    except (KafkaError, TimeoutError) as fault:
        raise Unavailable(f"Kafka at {settings.kafka}: {fault!r}") from fault


async def missing(client: AIOKafkaAdminClient, settings: Settings, *, flush: bool) -> list[NewTopic]:
    """The topics that are not there yet. A topic that this user may not describe is not there for it. Raises KafkaError."""
    existing = set(await client.list_topics())
    if existing >= set(astuple(names(settings))):
        return []
    replicas = min(REPLICAS, await _brokers(client, settings))
    return [each for each in wanted(settings, replicas, flush=flush) if each.name not in existing]


def wanted(settings: Settings, replicas: int, *, flush: bool) -> list[NewTopic]:
    """Every topic, as it is to be made with so many replicas."""
    topics = names(settings)
    flushed = FLUSHED if flush else {}
    given = {
        topics.commands: (1, COMMAND_RETENTION | flushed),
        topics.events: (1, FOREVER | BROKERS_CLOCK | flushed),
        topics.decisions: (settings.decision_partitions, FOREVER),
        topics.alerts: (1, FOREVER),
        topics.order: (1, FOREVER | flushed),
    }
    return [_topic(name, partitions, replicas, configs) for name, (partitions, configs) in given.items()]


def _topic(name: str, partitions: int, replicas: int, configs: dict[str, str]) -> NewTopic:
    in_sync = {"min.insync.replicas": str(IN_SYNC)} if replicas > IN_SYNC else {}
    common = MAX_MESSAGE | in_sync | {"unclean.leader.election.enable": "false"}
    return NewTopic(name, partitions, replicas, topic_configs=common | configs)


async def make_kept(settings: Settings, name: str) -> None:
    """Make a topic with one partition that keeps its records for ever and as safely as the log, such as a trail's. Nothing
    changes if it is there. Raises Unavailable, LogRefused."""
    try:
        async with administering(settings) as client:
            if name not in set(await client.list_topics()):
                replicas = min(REPLICAS, await _brokers(client, settings))
                await create(client, [_topic(name, 1, replicas, FOREVER)])
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Unavailable(f"Kafka at {settings.kafka} does not answer: {fault!r}") from fault


async def _brokers(client: AIOKafkaAdminClient, settings: Settings) -> int:
    """How many brokers the cluster has, as far as anything tells. Those that run are not all while a cluster starts, and topics
    that were made then would have one replica for ever. So the addresses that were given count too, and the replicas that the
    brokers themselves want."""
    alive = [each["node_id"] for each in (await client.describe_cluster())["brokers"]]
    named = len([each for each in settings.kafka.split(",") if each.strip()])
    first = ConfigResource(ConfigResourceType.BROKER, str(min(alive)))
    try:
        replicas = int((await _described(client, first)).get("default.replication.factor", 1))
    except ClusterAuthorizationFailedError:
        replicas = 1
    return max(len(alive), named, replicas)


async def create(client: AIOKafkaAdminClient, new: Sequence[NewTopic]) -> None:
    """Raises KafkaError; LogRefused if this user may not make them."""
    if not new:
        return
    response = await client.create_topics(list(new), timeout_ms=10_000)
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if issubclass(error, InvalidReplicationFactorError):
            raise Unavailable(f"{name} needs {new[0].replication_factor} brokers, and fewer are running now")
        if issubclass(error, TopicAuthorizationFailedError | ClusterAuthorizationFailedError):
            raise LogRefused(
                f"This user of Kafka can neither see nor make the topic {name}. Run `keytrail topics create` as a user who "
                "may make topics and ACLs."
            )
        if code and error is not TopicAlreadyExistsError:  # two processes may start at once
            raise error(name)


async def _bring_up_to_date(client: AIOKafkaAdminClient, settings: Settings) -> None:
    """For the bundled broker: from now on the log in an earlier version's folder gets the broker's time."""
    events = names(settings).events
    await _partitions(client, [events])  # a new topic may not be known yet
    configs = await configs_of(client, events)
    if configs["message.timestamp.type"] == "CreateTime":
        # Altering sets all settings of a topic: existing ones are kept, and checked afterwards.
        kept = {name: configs[name] for name in OWN}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, events, configs=kept | BROKERS_CLOCK)])


async def check(client: AIOKafkaAdminClient, settings: Settings) -> int:
    """Returns the number of partitions of `decisions`. Raises LogRefused, Unavailable, KafkaError."""
    topics = names(settings)
    partitions = await _partitions(client, [topics.commands, topics.events, topics.decisions, topics.order])
    for topic in (topics.events, topics.commands, topics.order):
        require_one_partition(settings, topic, len(partitions[topic]))
    brokers = len((await client.describe_cluster())["brokers"])
    for topic in (topics.events, topics.commands, topics.decisions, topics.order):
        require_replicas(settings, topic, [len(each["replicas"]) for each in partitions[topic]], brokers)
        require(settings, topic, await configs_of(client, topic), len(partitions[topic][0]["replicas"]), topics)
    return len(partitions[topics.decisions])


async def _partitions(client: AIOKafkaAdminClient, wanted: list[str]) -> dict[str, list[Any]]:
    """The partitions of each topic. Not every broker knows a new topic at once."""
    try:
        async with asyncio.timeout(SETTLED_WITHIN):
            while True:
                described = await client.describe_topics(wanted)
                found = {each["topic"]: each["partitions"] for each in described if not each["error_code"]}
                led = all(part["leader"] >= 0 for parts in found.values() for part in parts)
                if led and all(found.get(topic) for topic in wanted):
                    return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise Unavailable(f"the topics {', '.join(wanted)} have no leaders yet") from None


def require_one_partition(settings: Settings, topic: str, partitions: int) -> None:
    """Raises LogRefused."""
    if partitions != 1:
        raise LogRefused(
            f"{topic} has {partitions} partitions and must have exactly one: the log is one total order. Make it again: "
            f"kafka-topics.sh --bootstrap-server {settings.kafka} --delete --topic {topic}, then start Keytrail, which makes it "
            "(only if it holds nothing yet)."
        )


def require(settings: Settings, topic: str, configs: Mapping[str, str], replicas: int, topics: Topics) -> None:
    """Raises LogRefused if a topic with these configs and replicas could lose records."""
    wanted: dict[str, str] = {}
    if "compact" in configs["cleanup.policy"]:
        wanted["cleanup.policy"] = "delete"
    if topic in (topics.events, topics.order):
        wanted |= {name: "-1" for name in ("retention.ms", "retention.bytes") if configs[name] != "-1"}
    if topic == topics.events:
        wanted |= {name: value for name, value in BROKERS_CLOCK.items() if configs[name] != value}
    if replicas > 1 and int(configs["min.insync.replicas"]) < 2:
        wanted["min.insync.replicas"] = "2"
    if configs["unclean.leader.election.enable"] == "true":
        wanted["unclean.leader.election.enable"] = "false"
    if wanted:
        found = ", ".join(f"{name}={configs[name]}" for name in wanted)
        mended = ",".join(f"{name}={value}" for name, value in wanted.items())
        raise LogRefused(
            f"{topic} has {found}, with which records could be lost (or, without the broker's time, material destroyed "
            "too early). Mend it: kafka-configs.sh --bootstrap-server "
            f"{settings.kafka} --alter --entity-type topics --entity-name {topic} --add-config {mended}"
        )


def require_replicas(settings: Settings, topic: str, replicas: Sequence[int], brokers: int) -> None:
    """Raises LogRefused if a partition has fewer replicas than it could have on this many brokers: with the one broker that has
    it, its records would be lost."""
    if brokers >= REPLICAS > min(replicas):
        raise LogRefused(
            f"{topic} has a partition with {min(replicas)} of {REPLICAS} replicas, and the cluster has {brokers} brokers: one "
            "broker could take its records with it. Give each partition three replicas: kafka-reassign-partitions.sh "
            f"--bootstrap-server {settings.kafka} --reassignment-json-file FILE --execute"
        )


async def may_lose_records(settings: Settings, topic: str) -> bool:
    """Whether the operator set a retention on a topic. Raises Unavailable."""
    try:
        async with administering(settings) as client:
            configs = await configs_of(client, topic)
    except KafkaError as fault:
        raise Unavailable(f"Kafka at {settings.kafka} does not answer: {reason_of(fault)}") from fault
    return any(configs[name] != "-1" for name in ("retention.ms", "retention.bytes"))


async def configs_of(client: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    """A topic's settings by name. Raises KafkaError."""
    return await _described(client, ConfigResource(ConfigResourceType.TOPIC, topic))


async def _described(client: AIOKafkaAdminClient, of: ConfigResource) -> dict[str, str]:
    """The settings of a topic or broker by name. Raises KafkaError."""
    responses: list[Any] = await client.describe_configs([of])
    found: dict[str, str] = {}
    for response in responses:
        for code, message, _, _, entries, *_ in response.resources:
            if code:
                raise for_code(code)(message)
            found |= {entry[0]: entry[1] for entry in entries}
    return found
