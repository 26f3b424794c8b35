"""An alert worker by its own code, behind simulated topics, tables, streams and projections."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NoReturn, cast

from domain.alerts.change import Version
from domain.alerts.engine.judge import Judge
from domain.alerts.settings import AlertSettings, RuleSettings
from domain.crypto.uses import USES
from domain.keys.key import Key
from domain.log.codec import micros
from domain.log.events import KeyCreated, PolicyReplaced
from domain.log.record import Record
from domain.ports import Reader, Topic
from domain.state.principals import own_principals
from domain.state.world import World
from projections.log.entry import DECISIONS, EVENTS
from services.adapters.alert_publisher import Publisher
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import INTERRUPTED
from services.adapters.snapshots import SealedSnapshot
from services.alert_worker import takeover
from services.alert_worker.books import Books
from services.alert_worker.decisions import JudgedDecisions
from services.alert_worker.events import JudgedEvents
from services.alert_worker.faust_app import Take
from services.alert_worker.lag import LagWatch
from services.alert_worker.marks import Marking
from services.alert_worker.streams import UNJUDGEABLE, JudgedStreams
from services.alert_worker.voids import Voids
from services.alert_worker.worker import WATCH_EVERY
from tests.simulation.alert_statements import alert_tables
from tests.simulation.alert_streams import AlertGroup, AlertStreams
from tests.simulation.brokers import Brokers, SimulatedTopic
from tests.simulation.notary import DECISIONS_TOPIC, EVENTS_TOPIC
from tests.simulation.notary import SETTINGS as CLIENTS
from tests.simulation.sessions import SimulatedMarks, SimulatedPool
from tests.simulation.tables import SimulatedTables
from tests.simulation.virtual import Process

ALERTS_TOPIC = "sim.alerts"
SETTINGS = AlertSettings(
    {
        "denied-burst": RuleSettings(numbers={"threshold": 2, "window": 1}),
        "enumeration": RuleSettings(numbers={"threshold": 2}),
        "first-use": RuleSettings(numbers={"age": 0}),
    }
)
"""Numbers that few clients reach in a minute. Every use of a key by somebody new is told of, however old the key is: else the alert
would depend on which of two partitions is judged first."""
STEPS = 2_000
"""What a policy may take at once, in the place of `events.AT_ONCE`: some of the clients' policies take more, and are put off."""
BESIDE_EVERY, PROVE_EVERY = 5.0, 60.0
"""Seconds between two rounds of what is done beside the streams; each takes some of a simulation's time."""
PROJECTED_WITHIN = 0.2


@dataclass(slots=True)
class PolicyHistory:
    """What the projector's table of history says of key policies: those that were replaced, by key, and how far it reaches."""

    reached: int = -1
    versions: dict[str, list[Version]] = field(default_factory=lambda: defaultdict(list))
    _now: dict[str, Key] = field(default_factory=dict)

    def take(self, position: int, record: Record | None, world: World) -> None:
        """`world`: after the record. A record that was taken in already changes nothing."""
        if position <= self.reached:
            return
        self.reached = position
        if record is None or not isinstance(record.event, KeyCreated | PolicyReplaced):
            return
        key = world.keys[record.event.key]
        before = self._now.get(key.id)
        if before is not None:
            principals = own_principals(before.principals, before.account)
            self.versions[key.id].append(Version(before.policy_version, before.policy_text, principals, record.at))
        self._now[key.id] = key


@dataclass(slots=True)
class AlertingShared:
    """What alert workers share. `faults`: what none of them may ever do."""

    chance: Random
    tables: SimulatedTables
    group: AlertGroup
    begins: float = 0.0
    """The virtual second in which somebody switches alert workers on. In half of the seeds there are records by then, all of which they
    judge from the first on."""
    history: PolicyHistory = field(default_factory=PolicyHistory)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, seed: int, snapshots: list[SealedSnapshot], partitions: int) -> AlertingShared:
        chance = Random(f"{seed} alerts")  # the seed decides everything
        parts = [(EVENTS, 0), *((DECISIONS, number) for number in range(partitions))]
        late = Random(f"{seed} alerts begin")
        begins = late.choice([0.0, late.uniform(2.0, 20.0)])
        return cls(chance, alert_tables(chance, snapshots), AlertGroup(parts), begins)


class SimulatedFollowed:
    """Port FollowedTopics."""

    def __init__(self, brokers: Brokers, partitions: int) -> None:
        self.events: Topic = cast("Any", SimulatedTopic(brokers, EVENTS_TOPIC))
        self.decisions = DECISIONS_TOPIC
        names = [f"{DECISIONS_TOPIC}-{number}" for number in range(partitions)]
        self._partitions = [brokers.partition(each) for each in names]
        self._parts = [SimulatedTopic(brokers, each) for each in names]

    async def reader(self, partition: int, offset: int) -> Reader:
        return await self._parts[partition].reader(offset)

    async def bounds(self) -> Mapping[int, tuple[int, int]]:
        await self._parts[0].end()  # one question for all of them
        return {number: (0, len(each.values)) for number, each in enumerate(self._partitions)}

    async def close(self) -> None:
        pass


def decisions_of(brokers: Brokers) -> Iterator[tuple[int, int, bytes, int]]:
    """(partition, offset, value, when it came in milliseconds) of each decision."""
    number = 0
    while f"{DECISIONS_TOPIC}-{number}" in brokers.partitions:
        part = brokers.partition(f"{DECISIONS_TOPIC}-{number}")
        for offset, (value, came) in enumerate(zip(part.values, part.times, strict=True)):
            yield number, offset, value, came
        number += 1


def last_use(brokers: Brokers, key: Key, before: int, came_before: float = float("inf")) -> int:
    """When a key was last used, by the decisions that are there; 0 for never."""
    name, last = key.id.encode(), 0
    for _, _, value, came in decisions_of(brokers):
        if name in value and came < came_before:
            found = json.loads(value)
            used = found["decision"]["effect"] == "allowed" and found["call"]["operation"] in USES
            if used and key.arn in found["decision"]["resources"] and micros(found["at"]) < before:
                last = max(last, micros(found["at"]))
    return last


class SimulatedFacts:
    """Port PastFacts, as the projections would answer."""

    def __init__(self, brokers: Brokers, history: PolicyHistory) -> None:
        self._brokers, self._history = brokers, history

    async def used(self, key: Key, at: int) -> int:
        await asyncio.sleep(PROJECTED_WITHIN)
        return last_use(self._brokers, key, at)

    async def versions(self, key: Key, position: int) -> list[Version]:
        while self._history.reached < position - 1:  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(PROJECTED_WITHIN)
        return [each for each in self._history.versions[key.id] if each.version < key.policy_version]

    async def former_key(self, alias: str, position: int) -> str:
        """No caller of the simulation deletes an alias."""
        while self._history.reached < position - 1:  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(PROJECTED_WITHIN)
        return ""


class SimulatedPublisher(Publisher):
    def __init__(self, brokers: Brokers, keys: VaultKeyring) -> None:
        super().__init__(CLIENTS, keys)
        self._topic = cast("Any", SimulatedTopic(brokers, ALERTS_TOPIC))


def judge_of(log: str, region: str) -> Judge:
    return Judge(log, SETTINGS, region)


async def run_alert_worker(
    shared: AlertingShared, brokers: Brokers, keys: VaultKeyring, log: str, region: str, process: Process
) -> None:
    """Until the process ends."""

    def end(status: int) -> NoReturn:
        if status == UNJUDGEABLE:
            shared.faults.append(f"{process.name} could not judge a record")
        process.end(f"exit {status}")

    pool = cast("Any", SimulatedPool(shared.tables, process))
    books, marks = Books(keys, log), SimulatedMarks(shared.tables)
    try:
        await takeover.prepare(pool, books, marks)
    except INTERRUPTED as fault:
        process.end(f"cannot start: {fault}")
    judge = judge_of(log, region)
    partitions = sum(topic == DECISIONS for topic, _ in shared.group.parts)
    topics, voids, publisher = SimulatedFollowed(brokers, partitions), Voids(), SimulatedPublisher(brokers, keys)
    facts = SimulatedFacts(brokers, shared.history)
    changes = JudgedEvents(topics, facts, pool, books, lambda: judge, publisher, voids)
    decisions = JudgedDecisions(topics, pool, books, lambda: judge, publisher, voids, changes.authority, changes.ages)
    judged = JudgedStreams(pool, changes, decisions, end)
    watch = LagWatch(topics, pool, books, lambda: judge, publisher, judged.catch_up)
    marking = Marking(books, marks)
    takes: dict[str, Take] = {EVENTS: judged.take_events, DECISIONS: judged.take_decisions}
    link = brokers.link(process)
    streams = AlertStreams(
        shared.group, process.name, link, shared.chance, topics, takes, lambda why: process.kill(why)
    )

    async def beside() -> None:
        if found := voids.alerts(judge):
            await publisher.publish(found)
        await marking.mark()
        while await changes._later.one():
            pass

    works: Sequence[tuple[float, Callable[[], Awaitable[None]]]] = (
        (BESIDE_EVERY, beside),
        (WATCH_EVERY, watch.look),
        (WATCH_EVERY, changes.follow),
        (PROVE_EVERY, watch.prove),
    )
    await asyncio.gather(
        streams.run(), judged.catch_up_with_events(), *(judged.every(seconds, work) for seconds, work in works)
    )
