"""How far each partition is judged, kept on Kafka as well: committed offsets of a consumer group without members. The metadata
of each holds the era and a MAC.

Anybody who can write to Postgres can restore everything that was counted to an earlier state. A running process remembers more
than that; a process that starts would believe it.
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


KEEP_EVERY, TRY_EVERY = 3600.0, 60.0


@dataclass(frozen=True, slots=True)
class Marked:
    """An era, how far its partitions were judged at least, and the name of its key."""

    era: str
    furthest: Mapping[LogPartition, int] = field(default_factory=dict)
    key: str = field(default="", compare=False)


class Marks(Protocol):
    """Marks that somebody who can write to Postgres cannot reach."""

    async def read(self) -> Marked | None:
        """The last mark; None if there is no mark of ours. Raises Unavailable."""
        ...

    async def keep(self, marked: Marked) -> bool:
        """Keep a mark. Returns whether that was possible, and does not raise: judging matters more."""
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
        kinds = {topic: kind for kind, topic in self._topics.items()}
        eras: dict[tuple[int, str], dict[LogPartition, int]] = {}
        for where, mark in found.items():
            if where.topic not in kinds or mark.offset < 0:
                continue
            part = kinds[where.topic], where.partition
            era, key = await self._era_of(part, mark.offset, mark.metadata)
            if era:
                eras.setdefault((self._keys.rank(key), era), {})[part] = mark.offset
        if not eras:
            return None
        rank, era = last = max(eras)  # an era under a newer key counts more than any under an older one
        return Marked(era, eras[last], self._keys.names()[rank])

    async def _era_of(self, part: LogPartition, offset: int, metadata: str) -> tuple[str, str]:
        """The era, "" for a mark that is not ours, and the key that the mark is under."""
        try:
            kept = orjson.loads(metadata)
            era, mac = str(kept["era"]), str(kept["mac"])
        except (ValueError, KeyError, TypeError):
            era, mac = "", ""
        if mac:
            await self._keys.know_that_of(mac)
        if not self._keys.holds(mac, POSITION, *self._of(era, part, offset)):
            log.error("how far the rules have judged was changed on Kafka by somebody else", topic=part[0])
            return "", ""
        return era, key_of_row(mac)

    def _of(self, era: str, part: LogPartition, offset: int) -> tuple[str | int, ...]:
        return ("alerting mark", self._log, era, *part, offset)

    async def keep(self, marked: Marked) -> bool:
        offsets = {}
        for part, offset in (marked.furthest or {(EVENTS, 0): 0}).items():  # an era without positions has begun
            mac = self._keys.mac(POSITION, *self._of(marked.era, part, offset), under=marked.key)
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
    """The marks that a process keeps while it runs, of what it knows without asking anybody."""

    def __init__(self, books: Books, marks: Marks) -> None:
        self._books = books
        self._marks = marks
        self._kept: Marked | None = None
        self._next = 0.0

    async def mark(self) -> None:
        """Keep a mark if something was judged since the last one. Keep one now and then in any case: Kafka forgets a mark
        that is not renewed for a week."""
        now = time.monotonic()
        furthest = {
            part: next for part, next in self._books.furthest.items() if next and part[0] in (EVENTS, DECISIONS)
        }
        marked = Marked(self._books.era, furthest, self._books.key)
        if now < self._next and (marked == self._kept or self._kept is None):
            return
        done = await self._marks.keep(marked)
        self._kept = marked if done else None
        self._next = now + (KEEP_EVERY if done else TRY_EVERY)
