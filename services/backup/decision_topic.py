"""The topic of decisions as a backup has it: each value at the offset that it had.

A retention removes the first records of a partition. A backup then begins at a later offset, and so does the restored partition:
the log (`decisions.anchored`) names decisions by their offsets, and with others every anchor would be wrong. Kafka counts offsets
one by one and leaves none out. So empty records keep the places of what is missing, and are deleted once the topic is filled.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError

from domain.ports import Headers, Unavailable
from services.adapters.kafka import Producer, administering
from services.adapters.topics import ADMIN_TIMEOUT_MS
from services.settings import Settings

AT_ONCE = 5000
"""How many empty records are appended at once."""


class MissingDecisions:
    """Follows the parts of a backup, and says how many decisions are missing before each of them."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self.begins: dict[int, int] = {}
        """By partition: the offset before which something is missing. If a retention went on during the backup, it also removed
        what the backup has from before that."""

    def before(self, partition: int, offset: int, count: int) -> int:
        """The next part has so many values from this offset on."""
        missing = offset - self._next.get(partition, 0)
        if missing:
            self.begins[partition] = offset
        self._next[partition] = offset + count
        return missing


class RestoredDecisions:
    """Fills the empty topic."""

    def __init__(self, settings: Settings, topic: str, producer: Producer) -> None:
        self._settings = settings
        self._topic = topic
        self._producer = producer
        self._missing = MissingDecisions()

    async def append(self, partition: int, offset: int, records: Sequence[tuple[bytes, Headers]]) -> None:
        """Raises Unavailable."""
        missing = self._missing.before(partition, offset, len(records))
        for done in range(0, missing, AT_ONCE):
            await self._producer.append_all(self._topic, partition, [(b"", ())] * min(AT_ONCE, missing - done))
        if records:
            await self._producer.append_all(self._topic, partition, records)

    async def end(self) -> None:
        """Delete what only keeps a place. Raises Unavailable."""
        begins = {
            TopicPartition(self._topic, partition): RecordsToDelete(before_offset=offset)
            for partition, offset in self._missing.begins.items()
        }
        if not begins:
            return
        try:
            async with administering(self._settings, ADMIN_TIMEOUT_MS) as client:
                await client.delete_records(begins)
        except (KafkaError, TimeoutError, OSError) as fault:
            raise Unavailable(
                f"the first records of {self._topic} were not deleted: {fault!r}; restore again"
            ) from fault
