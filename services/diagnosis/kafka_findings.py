"""What the facts of Kafka mean. Everything here is pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple

from domain.durations import MINUTE_MICROS, SECOND_MICROS
from domain.ports import LogRefused
from services.adapters import topics
from services.adapters.cluster_description import TopicState
from services.arrangement import IN_SYNC, PROCESSES, KafkaResource, Process, Right
from services.cluster.preparation import wanted_grants
from services.diagnosis.kafka_facts import KafkaFacts, LastRecord
from services.diagnosis.outcome import CheckOutcome, look, ok, unchecked, wrong
from services.settings import Settings
from services.writer.due_work import MOST_SKEW

BROKERS, TOPICS, REPLICAS, RIGHTS, CLOCK = "Kafka", "topics", "replicas", "rights on Kafka", "Kafka's clock"
ALL = (BROKERS, TOPICS, REPLICAS, RIGHTS, CLOCK)
SOON_SKEWED = MOST_SKEW / 6
"""Seconds between two clocks that somebody should look at."""


def not_answering(settings: Settings, why: str) -> Iterator[CheckOutcome]:
    yield wrong(
        BROKERS,
        f"{settings.kafka}: {why}",
        "Until a broker answers, no call is answered. Start the brokers, or correct KEYTRAIL_KAFKA and the settings beside it.",
    )
    for check in ALL[1:]:
        yield unchecked(check, "Kafka does not answer")


def of_kafka(settings: Settings, facts: KafkaFacts) -> Iterator[CheckOutcome]:
    yield _brokers(settings, facts)
    yield from _topics(settings, facts)
    yield _replicas(settings, facts)
    yield _rights(settings, facts)
    yield _clock(facts.last)


def _brokers(settings: Settings, facts: KafkaFacts) -> CheckOutcome:
    running, named = len(facts.cluster.brokers), len([each for each in settings.kafka.split(",") if each.strip()])
    found = f"{running} broker{'s' if running > 1 else ''}, version {facts.version}"
    if facts.version.startswith("before"):
        return wrong(BROKERS, found, "Keytrail needs Kafka 4.0 or later: upgrade the brokers.")
    if running < named:
        return look(
            BROKERS,
            f"{found}; KEYTRAIL_KAFKA names {named}",
            "Start the brokers that are away, or take those that are gone out of KEYTRAIL_KAFKA.",
        )
    return ok(BROKERS, f"{found}{', bundled' if facts.bundled else ''}")


def _topics(settings: Settings, facts: KafkaFacts) -> Iterator[CheckOutcome]:
    named = topics.names(settings)
    cluster = facts.cluster
    if not cluster.topics and not cluster.denied:
        yield look(
            TOPICS,
            f"there are none with the prefix {settings.topic_prefix}",
            "If Keytrail was never started here: `keytrail topics create` makes them, or the first start. Otherwise correct "
            "KEYTRAIL_TOPIC_PREFIX, or bring the topics back (keytrail restore).",
        )
        return
    for name in astuple(named):
        check = f"topic {name}"
        state, configs = cluster.topics.get(name), facts.configs.get(name)
        if name in cluster.denied:
            yield wrong(check, "this user may not see it", _get_rights(settings))
        elif state is None:
            yield wrong(
                check,
                "it is not there",
                "If it never was, the next start makes it, or `keytrail topics create`. If it was deleted, its records are gone: "
                "bring it back from a backup (keytrail restore).",
            )
        elif configs is None:
            yield unchecked(check, "this user may not read its settings (DescribeConfigs)")
        else:
            yield _topic(settings, named, name, state, configs, len(cluster.brokers))


def _topic(
    settings: Settings, named: topics.Topics, name: str, state: TopicState, configs: Mapping[str, str], brokers: int
) -> CheckOutcome:
    """What a start refuses, by the start's own rules."""
    check = f"topic {name}"
    replicas = [each.replicas for each in state.partitions]
    parts = f"{len(replicas)} partition{'s' if len(replicas) > 1 else ''}"
    try:
        if name in (named.events, named.commands, named.order):
            topics.require_one_partition(settings, name, len(replicas))
        topics.require_replicas(settings, name, replicas, brokers)
        topics.require(settings, name, configs, min(replicas), named)
    except LogRefused as fault:
        return wrong(check, "a start refuses it", str(fault))
    if name == named.decisions and any(configs[each] != "-1" for each in ("retention.ms", "retention.bytes")):
        return look(
            check,
            f"{parts}; a retention removes records",
            "What is removed can be neither proved nor judged again. If you did not mean that: kafka-configs.sh --alter "
            f"--entity-type topics --entity-name {name} --add-config retention.ms=-1,retention.bytes=-1",
        )
    return ok(check, f"{parts}, {min(replicas)} replica{'s' if min(replicas) > 1 else ''}")


def _replicas(settings: Settings, facts: KafkaFacts) -> CheckOutcome:
    parts = [(name, each) for name, state in facts.cluster.topics.items() for each in state.partitions]
    if not parts:
        return unchecked(REPLICAS, "there are no topics")
    leaderless = [f"{name}/{each.number}" for name, each in parts if each.leader < 0]
    if leaderless:
        return wrong(
            REPLICAS,
            f"without a leader: {_some(leaderless)}",
            "Start the brokers that have these partitions. Never elect an unclean leader: records would be lost.",
        )
    least = {name: int(configs.get("min.insync.replicas", IN_SYNC)) for name, configs in facts.configs.items()}
    behind = [(name, each) for name, each in parts if each.in_sync < each.replicas]
    closed = [f"{name}/{each.number}" for name, each in parts if each.in_sync < least.get(name, 1)]
    advice = "Start the brokers that are away, and look at the logs and disks of those that are slow."
    if closed:
        return wrong(REPLICAS, f"too few in sync to take records: {_some(closed)}", advice)
    if behind:
        some = _some([f"{name}/{each.number} ({each.in_sync} of {each.replicas})" for name, each in behind])
        return look(REPLICAS, f"not all in sync: {some}", advice)
    if min(each.replicas for _, each in parts) == 1 and not facts.bundled:
        return look(
            REPLICAS,
            "one of each partition: one broker's disk has the only copy",
            "Take backups (keytrail backup), or run three brokers and give each partition three replicas.",
        )
    return ok(REPLICAS, f"all in sync, {len(parts)} partitions")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _rights(settings: Settings, facts: KafkaFacts) -> CheckOutcome:
    """Whether this user may do what its process has to; for a user of another name, what every process has to."""
    who = settings.kafka_username or "this connection"
    own = [each for each in PROCESSES if each.user == settings.kafka_username]
    missing = sorted({text for each in own or PROCESSES for text in _missing(settings, facts, each)})
    named = {f"{settings.topic_prefix}.{group}" for each in own or PROCESSES for group in each.groups}
    silent = sorted(each for each in named if facts.groups.get(each, frozenset()) is None)
    unknown = f"; not known for group {_some(silent)}" if silent else ""
    if not facts.cluster.topics:
        return unchecked(RIGHTS, "there are no topics")
    if missing:
        return wrong(RIGHTS, f"{who} may not {_some(missing)}{unknown}", _get_rights(settings))
    does = "what its process does" if own else "what every process does"
    if silent:
        return look(
            RIGHTS,
            f"{who} may do {does}{unknown}",
            "No broker answers as coordinator of that group. Run `keytrail doctor` again: brokers that start choose one. If none "
            "comes, look at the topic __consumer_offsets and at the brokers' logs: without a coordinator no new writer leads.",
        )
    others = [] if facts.grants is None else [each for each in wanted_grants(settings) if each not in facts.grants]
    users = {each.user for each in others if each.user != settings.kafka_username}
    if own and users:
        return look(RIGHTS, f"{who} may do {does}; {_some(sorted(users))} lack rights", _get_rights(settings))
    return ok(RIGHTS, f"{who} may do {does}")


def _missing(settings: Settings, facts: KafkaFacts, process: Process) -> Iterator[str]:
    """The rights that this user lacks of those that a kind of process needs, among those on what is there."""
    for right in process.rights():
        name = f"{settings.topic_prefix}.{right.name}"
        if right.resource == KafkaResource.GROUP:
            if (may := facts.groups.get(name, frozenset())) is None:
                continue
        elif (state := facts.cluster.topics.get(name)) is not None:
            may = state.may
        elif name in facts.cluster.denied:
            may = frozenset()
        else:
            continue  # topics of trails, which need not be there
        if right.operation not in may:
            yield _words(name, right)


def _words(name: str, right: Right) -> str:
    return f"{right.operation} {right.resource.lower()} {name}"


def _get_rights(settings: Settings) -> str:
    return (
        "Run `keytrail topics create` as a user who may make ACLs: it shows the rights that each kind of process lacks, and then "
        "gives them."
    )


def _clock(last: LastRecord | None) -> CheckOutcome:
    if last is None:
        return unchecked(CLOCK, "no record of the log can be read to compare by")
    advice = "Let one time service (NTP) set all machines' clocks. The writer destroys nothing while they differ by a minute."
    behind = (last.appended - last.read) / SECOND_MICROS
    if behind > 1:
        return wrong(CLOCK, f"this machine's is at least {behind:.0f} s behind the broker's", advice)
    skew = (last.appended - last.at) / SECOND_MICROS
    ago = (last.read - last.appended) // MINUTE_MICROS
    found = f"{abs(skew):.1f} s from the writer's, {ago} minutes ago"
    if abs(skew) > MOST_SKEW:
        return wrong(CLOCK, found, advice)
    return look(CLOCK, found, advice) if abs(skew) > SOON_SKEWED else ok(CLOCK, found)
