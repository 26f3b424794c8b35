"""What every arrangement of several machines has in common: settings of brokers, topics, processes, users and their rights.

This is the one source: compose.yaml, the Helm chart, `keytrail topics create` and the clusters of the tests are made from it, or
held to it by tests/house.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

BROKERS = 3
REPLICAS = 3
IN_SYNC = 2
"""How many brokers have a record before it counts as written. With one of three brokers away, records are still written; no
single broker takes a written one with it."""

BROKER_SETTINGS: Mapping[str, str] = {
    "auto.create.topics.enable": "false",
    "default.replication.factor": str(REPLICAS),
    "min.insync.replicas": str(IN_SYNC),
    "unclean.leader.election.enable": "false",
    "offsets.topic.replication.factor": str(REPLICAS),
    # A year: the notifiers' positions are there too, and have to outlast a long pause.
    "offsets.retention.minutes": "525600",
    "transaction.state.log.replication.factor": str(REPLICAS),
    "transaction.state.log.min.isr": str(IN_SYNC),
    "message.max.bytes": "2097152",
    # How long a broker may hang before the others go on without it. A record is written when every broker in sync has it, so
    # one that hangs makes every call wait this long. Kafka's defaults are 9 s for the leader of a partition, and 30 s for the
    # others.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "replica.lag.time.max.ms": "3000",
    # The controllers elect another one among them, if the active one hangs, before anybody can notice what else it took along.
    "controller.quorum.fetch.timeout.ms": "1500",
    "controller.quorum.election.timeout.ms": "500",
    # A follower that waits for an answer of a leader that hangs is free for the next leader after this. Kafka's default is 30 s.
    "replica.socket.timeout.ms": "3000",
    "replica.fetch.wait.max.ms": "500",
}
"""The settings in which every broker of a cluster differs from Kafka's defaults."""


class KafkaOperation(StrEnum):
    """What a right permits, by Kafka's names."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DELETE = "Delete"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"


class KafkaResource(StrEnum):
    TOPIC = "Topic"
    GROUP = "Group"


class Right(NamedTuple):
    """One permission. `name` is a topic's or group's, without the installation's prefix. If it ends in a dot, it is the beginning
    of names."""

    resource: KafkaResource
    name: str
    operation: KafkaOperation


@dataclass(frozen=True, slots=True)
class Process:
    """A kind of process. `user` is the one that it logs in with on Kafka."""

    name: str
    module: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Groups that it joins, or whose offsets it commits."""
    owns: tuple[str, ...] = ()
    """Topics that it makes, fills and removes."""

    @property
    def user(self) -> str:
        return f"keytrail-{self.name}"

    def rights(self) -> Iterator[Right]:
        """Every process checks the topics at its start, so it may describe all of them."""
        for topic in TOPICS:
            yield Right(KafkaResource.TOPIC, topic, KafkaOperation.DESCRIBE)
            yield Right(KafkaResource.TOPIC, topic, KafkaOperation.DESCRIBE_CONFIGS)
        for topic in self.reads:
            yield Right(KafkaResource.TOPIC, topic, KafkaOperation.READ)
            if topic not in TOPICS:
                yield Right(KafkaResource.TOPIC, topic, KafkaOperation.DESCRIBE_CONFIGS)
        for topic in self.writes:
            yield Right(KafkaResource.TOPIC, topic, KafkaOperation.WRITE)
        for group in self.groups:
            yield Right(KafkaResource.GROUP, group, KafkaOperation.READ)
        for topic in self.owns:
            for operation in KafkaOperation:
                yield Right(KafkaResource.TOPIC, topic, operation)


TOPICS = ("commands", "events", "decisions", "alerts", "order")

PROCESSES = (
    Process(
        "api",
        "services.api",
        # `commands` and trails for GET /v1/verify, which reads every topic.
        reads=("commands", "events", "decisions", "alerts", "order", "trail."),
        writes=("commands", "decisions", "alerts"),
    ),
    Process("writer", "services.writer", reads=("commands", "events"), writes=("events", "alerts"), groups=("writer",)),
    Process("projector", "services.projector", reads=("events", "decisions", "alerts", "order"), writes=("commands",)),
    Process(
        "alerts",
        "services.alert_worker",
        reads=("events", "decisions", "alerts"),
        writes=("alerts",),
        groups=("alerts", "alerts.judged"),
    ),
    # `events`, as every process: at its start it compares the log with the one that the vault is pinned to.
    Process("notifier", "services.notifier", reads=("events", "alerts"), groups=("notifier.",)),
    Process("audit-devices", "services.audit_devices", reads=("events", "decisions")),
    Process("notary", "services.notary", reads=("events", "decisions", "alerts", "order"), writes=("order", "alerts")),
    Process(
        "operator",
        "services.cli",
        reads=("commands", "events", "decisions", "alerts", "order"),
        writes=("commands",),
        owns=("trail.",),
    ),
)
"""Each kind of process; the last one is the command line of whoever operates the installation."""
