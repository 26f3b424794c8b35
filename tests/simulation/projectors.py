"""A projector by its own code, behind simulated topics and tables."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from domain.log.authenticity import ALERTS, DECISIONS, EVENTS
from domain.log.chain import digest
from domain.ports import OutOfRange, Topic, Unavailable
from projections.registry import PROJECTIONS
from services.adapters.kafka import ASK_DEADLINE
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import INTERRUPTED
from services.adapters.record_topics import RECORD_KINDS, FollowedRecords, KindAndNumber
from services.adapters.snapshots import SealedSnapshot
from services.clock import Clock
from services.projector.worker import project
from tests.simulation.alert_workers import ALERTS_TOPIC
from tests.simulation.brokers import Brokers, Partition, SimulatedTopic
from tests.simulation.notary import DECISIONS_TOPIC, EVENTS_TOPIC
from tests.simulation.projection_statements import projection_tables
from tests.simulation.sessions import SimulatedPool
from tests.simulation.tables import SimulatedTables, WrittenRows
from tests.simulation.virtual import Process, current

COMMANDS_TOPIC = "sim.commands"
GATHERED_FOR = (0.02, 0.6)
"""Seconds that the broker waits for more records, where a real one waits for a tenth of a second: fewer and larger batches."""


class SimulatedRecord(NamedTuple):
    partition: int
    offset: int
    value: bytes


class SimulatedRecords:
    """Port FollowedRecords."""

    def __init__(self, brokers: Brokers, partitions: int, chance: Random) -> None:
        self.kinds: Collection[str] = RECORD_KINDS
        self._brokers, self._chance = brokers, chance
        self._link = brokers.link(current())
        self._parts = partitions_of(brokers, partitions)
        self._next: dict[KindAndNumber, int] = {}
        self._ends: dict[KindAndNumber, int] = {}
        self._last: dict[KindAndNumber, str] = {}

    async def open(
        self,
        begins: Mapping[KindAndNumber, int],
        *,
        last: Mapping[KindAndNumber, str] = MappingProxyType({}),
        **options: Any,
    ) -> Mapping[KindAndNumber, int]:
        """Raises Unavailable."""
        self._next = {each: begins.get(each, 0) for each in self._parts}
        self._last = dict(last)
        try:
            async with asyncio.timeout(ASK_DEADLINE * 3):
                await self._link.there()
                await self._link.clear()
        except TimeoutError as fault:
            raise Unavailable("the broker does not answer") from fault
        return {}

    async def next(
        self, most: int, within_ms: int, most_bytes: float = math.inf
    ) -> Sequence[tuple[str, Sequence[SimulatedRecord]]]:
        """Raises OutOfRange."""
        await asyncio.sleep(self._chance.uniform(*GATHERED_FOR) * self._link.slow**0.5)
        if not (found := self._fetched(most)):
            await asyncio.sleep(within_ms / 1000)
            found = self._fetched(most)
        return found

    def _fetched(self, most: int) -> list[tuple[str, list[SimulatedRecord]]]:
        """Nothing, as aiokafka says, where no broker is reached."""
        link, found = self._link, []
        if link.to or link.back or not self._brokers.led.is_set():
            return []
        for (kind, number), partition in self._parts.items():
            begin, values = self._next[kind, number], partition.values
            end = len(values) if link.frozen is None else min(len(values), link.frozen.get(partition.name, 0))
            if begin > end and link.frozen is None:
                raise OutOfRange(f"{begin} is behind the end of {partition.name}")
            self._ends[kind, number] = end
            if begin <= end and (known := self._last.pop((kind, number), "")) and digest(values[begin - 1]) != known:
                raise OutOfRange(
                    f"{partition.name} has another record at @{begin - 1} than the one that was read there"
                )
            if begin < end:
                end = min(end, begin + most)
                found.append((kind, [SimulatedRecord(number, at, values[at]) for at in range(begin, end)]))
                self._next[kind, number] = end
        return found

    async def left(self) -> Sequence[tuple[str, int]]:
        return [(each[0], max(0, end - self._next[each])) for each, end in self._ends.items()]

    async def close(self) -> None:
        pass


class SimulatedProjected:
    """Port ProjectedTopics."""

    def __init__(self, brokers: Brokers, partitions: int, chance: Random) -> None:
        self.name = EVENTS_TOPIC
        self._brokers, self._partitions, self._chance = brokers, partitions, chance

    def events(self) -> Topic:
        return cast("Topic", SimulatedTopic(self._brokers, EVENTS_TOPIC))

    def commands(self) -> Topic:
        return cast("Topic", SimulatedTopic(self._brokers, COMMANDS_TOPIC))

    def records(self) -> FollowedRecords:
        return SimulatedRecords(self._brokers, self._partitions, self._chance)

    async def are_cut(self) -> bool:
        return False


def partitions_of(brokers: Brokers, partitions: int) -> dict[KindAndNumber, Partition]:
    """The partitions that projections are made of, the log first."""
    return {
        (EVENTS, 0): brokers.partition(EVENTS_TOPIC),
        **{(DECISIONS, each): brokers.partition(f"{DECISIONS_TOPIC}-{each}") for each in range(partitions)},
        (ALERTS, 0): brokers.partition(ALERTS_TOPIC),
    }


@dataclass(slots=True)
class ProjectingShared:
    """What projectors share. `log_unknown`: one said that the log does not go on from what it read."""

    chance: Random
    tables: SimulatedTables
    brokers: Brokers
    partitions: int
    faults: list[str] = field(default_factory=list)
    log_unknown: bool = False

    @classmethod
    def of(cls, seed: int, brokers: Brokers, snapshots: list[SealedSnapshot], partitions: int) -> ProjectingShared:
        chance = Random(f"{seed} projections")  # the seed decides everything
        shared = cls(chance, projection_tables(chance, snapshots), brokers, partitions)
        shared.tables.watch = shared._watch
        return shared

    def _watch(self, written: WrittenRows) -> None:
        """At each commit: positions only move onward, and never behind what the topics have."""
        parts = partitions_of(self.brokers, self.partitions)
        for (table, name), row in written.items():
            if not table.endswith(".positions"):
                continue
            before = self.tables.rows[table].get(name)
            if row is None:
                self.faults.append(f"{table} was thrown away, though nobody else wrote to it")
                continue
            if before is not None and row[2] <= before[2]:
                self.faults.append(f"{table} of {name} went from {before[2]} to {row[2]}")
            if row[2] > len(parts[row[0], row[1]].values):
                self.faults.append(f"{table} of {name} is at {row[2]}, behind the end of its topic")

    def reached(self) -> dict[str, dict[KindAndNumber, int]]:
        """By schema: the position of each partition."""
        schemas = [each.schema for each in PROJECTIONS.values()]
        return {
            each: {(row[0], row[1]): row[2] for row in self.tables.rows[f"{each}.positions"].values()}
            for each in schemas
        }


async def run_projector(
    shared: ProjectingShared, keys: VaultKeyring, region: str, process: Process, pool: SimulatedPool
) -> None:
    """Until the process ends."""
    topics = SimulatedProjected(shared.brokers, shared.partitions, shared.chance)
    try:
        await project(topics, cast("Any", pool), keys, region, Clock())
    except OutOfRange as fault:
        # A reader who is behind the end may come back and find more records.
        shared.log_unknown |= any(each in str(fault) for each in ("is not the one that", "has another record"))
        raise
    except INTERRUPTED as fault:
        process.end(f"cannot start: {fault}")
