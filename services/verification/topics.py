"""Reads every value of every topic once, and checks it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from domain.log.authenticity import ALERTS, COMMANDS
from domain.log.authority import Authority, trail_kind
from domain.ports import Unavailable, reason_of
from domain.verification.decisions import DecisionsReport, Verifier
from domain.verification.log import Expected, LogVerifier, Report
from services.adapters.kafka import administering
from services.adapters.keyring import VaultKeyring
from services.adapters.topic_bounds import bounds, values_between, values_of
from services.adapters.topics import may_lose_records, names
from services.adapters.trail_topics import topic_of, topic_prefix
from services.settings import Settings

VerificationProgress = Callable[[str, int, int], None]
"""(the step under way, done, of how many)."""


@dataclass(slots=True)
class CountedTopic:
    """A topic whose values are independent: how many there are, and how many of them somebody else wrote."""

    records: int = 0
    strange: int = 0


@dataclass(slots=True)
class TopicsReport:
    log: Report
    decisions: DecisionsReport = field(default_factory=DecisionsReport)
    others: dict[str, CountedTopic] = field(default_factory=dict)
    """Counts by the kind of topic: alerts, commands, and each trail."""

    @property
    def whole(self) -> bool:
        """Whether nothing that Keytrail wrote is missing or changed."""
        return self.log.whole and self.decisions.whole

    @property
    def strange(self) -> int:
        """The number of values that somebody else wrote or copied."""
        others = sum(each.strange for each in self.others.values())
        return len(self.log.strange) + self.decisions.strange_count + self.decisions.copies_count + others


async def verify_topics(
    settings: Settings, keys: VaultKeyring, expected: Expected | None, tell: VerificationProgress
) -> TopicsReport:
    """Raises Unavailable, OutOfRange."""
    topics = names(settings)
    # The log is read first: every decision that its anchors cover was appended before them.
    log = await _log(settings, keys, expected, tell)
    report = TopicsReport(log)
    if not log.whole:
        return report
    report.decisions = await _decisions(settings, keys, log, tell)
    others = {ALERTS: topics.alerts, COMMANDS: topics.commands}
    others |= {trail_kind(name): topic_of(settings, name) for name in await trails(settings)}
    for kind, topic in others.items():
        # Of the commands that the writer has read, the log says what became of each.
        first = log.next_command if kind == COMMANDS else 0
        report.others[kind] = await _counted(settings, keys, log.authority, kind, topic, first, tell)
    return report


async def _log(settings: Settings, keys: VaultKeyring, expected: Expected | None, tell: VerificationProgress) -> Report:
    """Checks the values as they come: a log of years does not fit into memory."""
    verifier = LogVerifier(expected, keys)
    async with aclosing(values_of(settings, names(settings).events, 0)) as batches:
        async for values, total in batches:
            # A rotation puts a key into the vault before the log names it.
            await keys.know_those_of(each.value for each in values)
            for each in values:
                verifier.take(each.offset, each.value)
            tell("checking the log", verifier.report.records, total)
            if verifier.report.fault:
                break
    return verifier.finish()


async def read_log(settings: Settings, tell: VerificationProgress) -> list[tuple[int, bytes]]:
    """Every value of `events`. Raises Unavailable, OutOfRange."""
    topic = names(settings).events
    values: list[tuple[int, bytes]] = []
    async for found, total in values_of(settings, topic, 0):
        values += [(each.offset, each.value) for each in found]
        tell("reading the log", len(values), total)
    return values


async def _decisions(
    settings: Settings, keys: VaultKeyring, log: Report, tell: VerificationProgress
) -> DecisionsReport:
    topic = names(settings).decisions
    found = await bounds(settings, topic)
    begins = {partition: start for partition, (start, _) in found.items()}
    verifier = Verifier(keys, log.authority, log.anchors, begins)
    total = sum(end - start for start, end in found.values())
    if any(begins.values()) and not await may_lose_records(settings, topic):
        cut = ", ".join(f"{partition} begins at {start}" for partition, start in begins.items() if start)
        verifier.report.faults.append(f"records of {topic} were removed, which keeps them for ever: partition {cut}")
    for partition, (start, end) in found.items():
        async for values in values_between(settings, topic, partition, start, end):
            await keys.know_those_of(each.value for each in values)
            for each in values:
                verifier.take(partition, each.offset, each.value)
            tell("checking the decisions", verifier.report.records, total)
    return verifier.finish()


async def _counted(
    settings: Settings,
    keys: VaultKeyring,
    authority: Authority,
    kind: str,
    topic: str,
    first: int,
    tell: VerificationProgress,
) -> CountedTopic:
    counted = CountedTopic()
    async for values, total in values_of(settings, topic, 0):
        await keys.know_those_of(each.value for each in values)
        for each in values:
            if each.offset < first:
                continue
            counted.records += 1
            counted.strange += not authority.believes(keys, kind, 0, each.offset, each.value)
        tell(f"checking {kind}", counted.records, total)
    return counted


async def trails(settings: Settings) -> list[str]:
    """The names of the trails that have a topic. Raises Unavailable."""
    prefix = topic_prefix(settings)
    try:
        async with administering(settings) as client:
            return sorted(each.removeprefix(prefix) for each in await client.list_topics() if each.startswith(prefix))
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Unavailable(f"Kafka at {settings.kafka} does not answer: {reason_of(fault)}") from fault
