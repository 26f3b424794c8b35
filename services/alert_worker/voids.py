"""Alerts about void records: at most one a minute for each partition, however many records there are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from domain.alerts.engine.alert import Alert
from domain.alerts.engine.judge import Judge
from domain.alerts.health import Health
from domain.alerts.rules import void_records
from domain.log.authenticity import ALERTS, DECISIONS
from domain.log.authority import Authority
from domain.ports import OutOfRange, Reader, Unavailable
from services.adapters.kafka import KafkaTopic
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_known
from services.adapters.topics import names
from services.metrics import VOIDS
from services.settings import Settings

TELL_EVERY = 60.0
BATCH = 500


@dataclass(slots=True)
class _VoidCount:
    """The void records of a partition since its last alert: the first offset, the count, the time of the last record
    (microseconds), and when the last alert was raised (monotonic)."""

    first: int = 0
    count: int = 0
    at: int = 0
    told: float = float("-inf")


class Voids:
    """The void records that a worker has counted. The first one of a partition raises an alert at once, those after it once a
    minute."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, int], _VoidCount] = {}

    def count(self, topic: str, partition: int, offset: int, at: int, records: int = 1) -> None:
        """`at` in microseconds."""
        VOIDS.labels("alerts").inc(records)
        found = self._counted.setdefault((topic, partition), _VoidCount())
        if not found.count:
            found.first = offset
        found.count += records
        found.at = at

    def alerts(self, judge: Judge) -> list[Alert]:
        """The alerts that are due now."""
        return [alert for health in self._due(time.monotonic()) for alert in judge.of_health(health)]

    def _due(self, now: float) -> Iterator[Health]:
        for (topic, partition), each in self._counted.items():
            if not each.count or now - each.told < TELL_EVERY:
                continue
            where = f"{topic}/{partition}@{each.first}" if topic == DECISIONS else f"{topic}@{each.first}"
            records = "1 record is void" if each.count == 1 else f"{each.count} records are void"
            yield Health(void_records.RULE, where, each.at, f"{records} on {topic}, from @{each.first} on")
            each.count, each.told = 0, now


class AlertsTopic:
    """The topic of alerts, followed from its end on to see whether somebody else writes there. The projections leave such
    alerts out, so otherwise nobody would notice."""

    def __init__(self, settings: Settings, keys: VaultKeyring, voids: Voids) -> None:
        self._topic = KafkaTopic(settings, names(settings).alerts)
        self._keys = keys
        self._voids = voids
        self._reader: Reader | None = None
        self._next = -1

    async def look(self, authority: Authority) -> None:
        """Read what came since the last look. Raises Unavailable."""
        try:
            await self._look(authority)
        except (OutOfRange, Unavailable) as fault:
            if self._reader is not None:
                await self._reader.close()
            self._reader, self._next = None, -1
            raise Unavailable(f"the topic of alerts cannot be followed: {fault}") from fault

    async def _look(self, authority: Authority) -> None:
        end = await self._topic.end()
        if self._next < 0:
            self._next = end
        if self._next >= end:
            return
        if self._reader is None:
            self._reader = await self._topic.reader(self._next)
        while self._next < end:
            found = await read_known(self._reader, BATCH)
            await self._keys.know_those_of(each.value for each in found)
            for each in found:
                if not authority.believes(self._keys, ALERTS, 0, each.offset, each.value):
                    self._voids.count(ALERTS, 0, each.offset, each.appended)
            self._next = found[-1].offset + 1
