"""The topics whose records are judged, and where they begin and end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from domain.ports import Reader, Topic
from services.adapters.kafka import KafkaReader
from services.adapters.topic_bounds import TopicBounds
from services.adapters.topics import log_topic, names
from services.settings import Settings


class FollowedTopics(Protocol):
    """`decisions` is the topic's name."""

    events: Topic
    decisions: str

    async def reader(self, partition: int, offset: int) -> Reader:
        """Reads a partition of decisions. Raises Unavailable."""
        ...

    async def bounds(self) -> Mapping[int, tuple[int, int]]:
        """For each partition of decisions: the first offset that is still there, and the offset of its next record. Raises
        Unavailable."""
        ...

    async def close(self) -> None: ...


class KafkaTopics:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.events: Topic = log_topic(settings)
        self.decisions = names(settings).decisions
        self._bounds = TopicBounds(settings, self.decisions)

    async def reader(self, partition: int, offset: int) -> Reader:
        return await KafkaReader(self._settings, self.decisions, partition).open(offset)

    async def bounds(self) -> Mapping[int, tuple[int, int]]:
        return (await self._bounds.now())[self.decisions]

    async def close(self) -> None:
        await self.events.close()
        await self._bounds.close()


async def ends_of(topics: FollowedTopics) -> Mapping[int, int]:
    """For each partition of decisions: the offset of its next record. Raises Unavailable."""
    return {partition: end for partition, (_, end) in (await topics.bounds()).items()}
