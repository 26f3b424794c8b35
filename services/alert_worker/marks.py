"""Marks on Kafka: how far the rules have judged each partition. They are the committed offsets of a consumer group without
members, and the metadata of each offset holds the era and a MAC.

Somebody who can write to Postgres can restore an old copy of all its counts. A running process notices, because it remembers
newer positions. A process that has just started would believe the copy, so it compares it with the marks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError

from domain.log.authenticity import POSITION, key_of_row
from domain.ports import Unavailable
from projections.log.entry import DECISIONS, EVENTS
from services.adapters.committed_offsets import CommittedOffsets
from services.adapters.keyring import VaultKeyring
from services.adapters.topics import names
from services.alert_worker.books import Books, LogPartition
from services.logs import logger_of
from services.settings import Settings

log = logger_of("alerts")


KEEP_EVERY, RETRY_EVERY = 3600.0, 60.0
"""Seconds until a mark is kept again: after it was kept, and after that failed."""


@dataclass(frozen=True, slots=True)
class Marked:
    """The least that each partition was judged to in an era. `key` names the key that authenticates the era's rows."""

    era: str
    furthest: Mapping[LogPartition, int] = field(default_factory=dict)
    key: str = field(default="", compare=False)


class Marks(Protocol):
    """Where marks are kept: a place that cannot be changed by writing to Postgres."""

    async def read(self) -> Marked | None:
        """The newest marks that are ours; None if there are none. Raises Unavailable."""
        ...

    async def keep(self, marked: Marked) -> bool:
        """Return whether the marks were kept. A failure does not raise: the rules must judge even without marks."""
        ...


class KafkaMarks:
    """`log_name` is the log's id."""

    def __init__(self, settings: Settings, keys: VaultKeyring, log_name: str) -> None:
        self._keys = keys
        self._log = log_name
        self._committed = CommittedOffsets(settings, f"{settings.topic_prefix}.alerts.judged")
        topics = names(settings)
        self._topics = {EVENTS: topics.events, DECISIONS: topics.decisions}

    async def read(self) -> Marked | None:
        try:
            found = await self._committed.read()
        except GroupAuthorizationFailedError:
            log.warning("Kafka does not let us read how far the rules have judged", group=self._committed.group)
            return None
        except Unavailable as fault:
            raise Unavailable(f"Kafka does not say how far the rules have judged: {fault}") from fault
        names_by_topic = {topic: name for name, topic in self._topics.items()}
        eras: dict[tuple[int, str], dict[LogPartition, int]] = {}
        for where, mark in found.items():
            if where.topic not in names_by_topic or mark.offset < 0:
                continue
            part = names_by_topic[where.topic], where.partition
            era, key = await self._era_and_key(part, mark.offset, mark.metadata)
            if era:
                eras.setdefault((self._keys.rank(key), era), {})[part] = mark.offset
        if not eras:
            return None
        rank, era = last = max(eras)  # a newer key outranks every era under an older one
        return Marked(era, eras[last], self._keys.names()[rank])

    async def _era_and_key(self, part: LogPartition, offset: int, metadata: str) -> tuple[str, str]:
        """The era of a mark, and the name of the key that made its MAC. Both are "" for a mark that is not ours."""
        try:
            kept = orjson.loads(metadata)
            era, mac = str(kept["era"]), str(kept["mac"])
        except (ValueError, KeyError, TypeError):
            era, mac = "", ""
        if mac:
            await self._keys.know_that_of(mac)
        if not self._keys.holds(mac, POSITION, *self._mac_fields(era, part, offset)):
            log.error("how far the rules have judged was changed on Kafka by somebody else", topic=part[0])
            return "", ""
        return era, key_of_row(mac)

    def _mac_fields(self, era: str, part: LogPartition, offset: int) -> tuple[str | int, ...]:
        return ("alerting mark", self._log, era, *part, offset)

    async def keep(self, marked: Marked) -> bool:
        offsets = {}
        # An era in which nothing was judged yet gets a mark at 0, so that the era itself is known.
        for part, offset in (marked.furthest or {(EVENTS, 0): 0}).items():
            mac = self._keys.mac(POSITION, *self._mac_fields(marked.era, part, offset), under=marked.key)
            metadata = orjson.dumps({"era": marked.era, "mac": mac}).decode()
            offsets[TopicPartition(self._topics[part[0]], part[1])] = (offset, metadata)
        try:
            await self._committed.keep(offsets)
        except Unavailable as fault:
            log.warning("how far the rules have judged could not be kept on Kafka", reason=str(fault))
            return False
        return True

    async def close(self) -> None:
        await self._committed.close()


class Marking:
    """Keeps the marks of one process, from what the process itself remembers."""

    def __init__(self, books: Books, marks: Marks) -> None:
        self._books = books
        self._marks = marks
        self._kept: Marked | None = None
        self._next = 0.0

    async def mark(self) -> None:
        """Keep the marks if something was judged since they were last kept. Once an hour they are kept in any case: Kafka
        deletes a committed offset that is not committed again within a week."""
        now = time.monotonic()
        furthest = {
            part: next for part, next in self._books.furthest.items() if next and part[0] in (EVENTS, DECISIONS)
        }
        marked = Marked(self._books.era, furthest, self._books.key)
        if now < self._next and (marked == self._kept or self._kept is None):
            return
        done = await self._marks.keep(marked)
        self._kept = marked if done else None
        self._next = now + (KEEP_EVERY if done else RETRY_EVERY)
