"""How far each notifier has been told, on Kafka as well: a committed offset, with a MAC in its metadata.

Whoever writes to Postgres can take away every row of a notifier, or put all of them back as they once were. A notifier
without rows would pass for a new one, which is told of nothing that was raised before it began.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from domain.ports import Unavailable
from domain.trail.authenticity import TOLD, key_of_row
from services.adapters.kafka import ASK_DEADLINE, connection
from services.adapters.keyring import VaultKeyring
from services.adapters.topics import names
from services.api.items import utc
from services.settings import Settings

log = structlog.get_logger("notifier")

_ONE_KEY = "of one key"
"""In the MAC of a mark whose key is that of every row."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Every alert below this offset was told or given up. `since`: nothing older is told. `key`: the name of the key that
    everything of the notifier was under when that was proved; "" where an earlier version proved it, with rows under several.
    """

    settled: int
    since: datetime
    key: str = field(default="", compare=False)


class Mark(Protocol):
    """Where a notifier's last proof is kept, out of reach of whoever writes to Postgres."""

    async def read(self) -> Proved | None:
        """None where there is none, or one that is not ours. Raises Unavailable."""
        ...

    async def keep(self, proved: Proved) -> None:
        """Goes on where it cannot be kept: what is told matters more."""
        ...


class KafkaMark:
    """Of one notifier: a consumer group of its own, without members. `log_name` is the log's id."""

    def __init__(self, settings: Settings, keys: VaultKeyring, log_name: str, notifier: str) -> None:
        self._settings = settings
        self._keys = keys
        self._of = ("mark", log_name, notifier)
        self._name = notifier
        self._group = f"{settings.topic_prefix}.notifier.{notifier}"
        self._partition = TopicPartition(names(settings).alerts, 0)
        self._consumer: AIOKafkaConsumer | None = None

    async def read(self) -> Proved | None:
        found = await self._read()
        return None if found is None else found[0]

    async def kept_at(self) -> datetime | None:
        """When it was kept last; None where there is none, or one of a version that did not say. Raises Unavailable."""
        found = await self._read()
        return None if found is None else found[1]

    async def _read(self) -> tuple[Proved, datetime | None] | None:
        client = AIOKafkaAdminClient(**connection(self._settings), request_timeout_ms=int(ASK_DEADLINE * 1000))
        try:
            async with asyncio.timeout(ASK_DEADLINE * 3):
                await client.start()
                found = await client.list_consumer_group_offsets(self._group, partitions=[self._partition])
        except GroupAuthorizationFailedError:
            log.warning("Kafka does not let us read how far a notifier has been told", group=self._group)
            return None
        except (KafkaError, TimeoutError, OSError) as fault:
            raise Unavailable(f"Kafka does not say how far {self._name} has been told: {fault!r}") from fault
        finally:
            await client.close()
        mark = found.get(self._partition)
        if mark is None or mark.offset < 0:
            return None
        try:
            kept = orjson.loads(mark.metadata)
            since, mac, at = str(kept["since"]), str(kept["mac"]), str(kept.get("at", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            since, mac, at = "", "", ""
        if mac:
            await self._keys.know_that_of(mac)
        fields = (*self._of, mark.offset, since, *([at] if at else []))
        key = key_of_row(mac) if self._keys.holds(mac, TOLD, *fields, _ONE_KEY) else ""
        if not key and not self._keys.holds(mac, TOLD, *fields):
            log.error("how far a notifier has been told was changed on Kafka by somebody else", notifier=self._name)
            return None
        return Proved(mark.offset, datetime.fromisoformat(since), key), datetime.fromisoformat(at) if at else None

    async def keep(self, proved: Proved) -> None:
        since, at = utc(proved.since), utc(datetime.now(UTC))
        mac = self._keys.mac(TOLD, *self._of, proved.settled, since, at, _ONE_KEY, under=proved.key)
        metadata = orjson.dumps({"since": since, "at": at, "mac": mac}).decode()
        try:
            async with asyncio.timeout(ASK_DEADLINE * 3):
                consumer = await self._started()
                await consumer.commit({self._partition: (proved.settled, metadata)})
        except (KafkaError, TimeoutError, OSError) as fault:
            log.warning(
                "how far a notifier has been told could not be kept on Kafka", notifier=self._name, reason=repr(fault)
            )
            await self.close()

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **connection(self._settings), group_id=self._group, enable_auto_commit=False, auto_offset_reset="none"
            )
            try:
                await consumer.start()
                consumer.assign([self._partition])
                consumer.seek(self._partition, 0)
                consumer.pause(self._partition)  # it reads nothing
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer

    async def close(self) -> None:
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            try:
                async with asyncio.timeout(2):
                    await consumer.stop()
            except (KafkaError, TimeoutError, OSError):
                pass
