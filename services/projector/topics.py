"""The topics that the projector follows, and the one on which it asks for anchors."""

from __future__ import annotations

from typing import Protocol

from domain.ports import Topic
from services.adapters.kafka import KafkaTopic
from services.adapters.record_topics import FollowedRecords, RecordTopics
from services.adapters.topic_bounds import bounds
from services.adapters.topics import names
from services.settings import Settings


class ProjectedTopics(Protocol):
    """Whoever asks for one of them closes it. `name`: the log's, in messages to operators."""

    name: str

    def events(self) -> Topic: ...

    def commands(self) -> Topic: ...

    def records(self) -> FollowedRecords:
        """Every partition of `events`, `decisions` and `alerts`."""
        ...

    async def are_cut(self) -> bool:
        """Whether a retention has removed decisions. Raises Unavailable."""
        ...


class KafkaProjectedTopics:
    """`partitions`: those of `decisions`."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self._settings, self._partitions = settings, partitions
        self.name = names(settings).events

    def events(self) -> Topic:
        return KafkaTopic(self._settings, self.name)

    def commands(self) -> Topic:
        return KafkaTopic(self._settings, names(self._settings).commands)

    def records(self) -> FollowedRecords:
        return RecordTopics(self._settings, self._partitions)

    async def are_cut(self) -> bool:
        found = await bounds(self._settings, names(self._settings).decisions)
        return any(first for first, _ in found.values())
