"""How far each notifier has sent alerts, kept on Kafka as well: a committed offset, with a MAC in its metadata.

Anybody who can write to Postgres can remove every row of a notifier, or restore all of them to an earlier state. A notifier
without rows would pass for a new one, which sends nothing that was raised before it began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import orjson
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError

from domain.log.authenticity import TOLD, key_of_row
from domain.ports import Unavailable
from services.adapters.committed_offsets import CommittedOffsets
from services.adapters.keyring import VaultKeyring
from services.adapters.topics import names
from services.logs import logger_of
from services.rendering import utc
from services.settings import Settings

log = logger_of("notifier")

_ONE_KEY = "of one key"
"""Part of the MAC of a mark if all rows are under the mark's key."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Every alert below the offset `settled` was sent or given up. `since`: nothing older is sent. `key`: the key that all
    rows of the notifier were under when that was proved; "" if an earlier version proved it, with rows under several keys."""

    settled: int
    since: datetime
    key: str = field(default="", compare=False)


class Mark(Protocol):
    """Keeps a notifier's last proof where somebody who can write to Postgres cannot reach it."""

    async def read(self) -> Proved | None:
        """The last proof; None if there is no mark of ours. Raises Unavailable."""
        ...

    async def keep(self, proved: Proved) -> None:
        """Keep a proof. Does not raise if that is impossible: sending alerts matters more."""
        ...


class KafkaMark:
    """The mark of one notifier: a consumer group without members. `log_name` is the log's id."""

    def __init__(self, settings: Settings, keys: VaultKeyring, log_name: str, notifier: str) -> None:
        self._keys = keys
        self._of = ("mark", log_name, notifier)
        self._name = notifier
        self._committed = CommittedOffsets(settings, f"{settings.topic_prefix}.notifier.{notifier}")
        self._partition = TopicPartition(names(settings).alerts, 0)

    async def read(self) -> Proved | None:
        found = await self._read()
        return None if found is None else found[0]

    async def kept_at(self) -> datetime | None:
        """When it was kept last; None if there is no mark, or one of a version that kept no time. Raises Unavailable."""
        found = await self._read()
        return None if found is None else found[1]

    async def _read(self) -> tuple[Proved, datetime | None] | None:
        try:
            found = await self._committed.read()
        except GroupAuthorizationFailedError:
            log.warning("Kafka does not let us read how far a notifier has been told", group=self._committed.group)
            return None
        except Unavailable as fault:
            raise Unavailable(f"Kafka does not say how far {self._name} has been told: {fault}") from fault
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
            await self._committed.keep({self._partition: (proved.settled, metadata)})
        except Unavailable as fault:
            log.warning(
                "how far a notifier has been told could not be kept on Kafka", notifier=self._name, reason=str(fault)
            )

    async def close(self) -> None:
        await self._committed.close()
