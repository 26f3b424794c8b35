"""The raised alerts, as a notifier reads them. It reads the topic, not the projection: values on the topic carry a MAC, and
rows of the projection do not."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from domain.alerts.engine.telling import telling
from domain.alerts.severities import SEVERITIES
from domain.characters import without_nul
from domain.log.authenticity import ALERTS
from domain.log.authority import Authority
from domain.ports import OutOfRange, Reader, Stored, Topic, Unavailable
from projections.alerts import queries
from projections.log.schema import AskedLog
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import record_at
from services.adapters.postgres import LOST, Pool
from services.logs import logger_of
from services.rendering import utc

log = logger_of("notifier")

BATCH_SIZE = 500
"""The most records that one read returns."""
PATIENCE = 5.0
"""Seconds to wait for Postgres to say which alerts were raised before."""
MOST_REMEMBERED = 50_000
"""How many records are remembered with the alerts that they raised."""


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """An alert that was read from the topic. `alert` is the document that every notifier sends. `rank` is the rank of its
    severity: 0 for the mildest."""

    offset: int
    alert: dict[str, Any]
    at: datetime
    rank: int
    suppressed: bool


class AlertReader:
    """Reads alerts from the topic's records, and drops every value that this installation did not write.

    `newest` follows the log to its end and returns its Authority: which keys authenticate records now.
    """

    def __init__(self, keys: VaultKeyring, authority: Authority, newest: Callable[[], Awaitable[Authority]]) -> None:
        self._keys = keys
        self._authority = authority
        self._newest = newest

    async def refresh(self) -> None:
        """Read the vault's keys again, and the log's Authority if the two do not name the same keys. Raises Unavailable,
        OutOfRange, Unreadable, MasterKeyRefused."""
        await self._keys.read_again()
        known = self._authority
        others = [name for name in self._keys.names() if name != known.key and name not in known.retired]
        if not known.begun or known.key != self._keys.newest or others:
            self._authority = await self._newest()

    async def alerts_of(self, records: Sequence[Stored]) -> list[RaisedAlert]:
        """The alerts in these records. Raises Unavailable, MasterKeyRefused."""
        await self._keys.know_those_of(each.value for each in records)
        return [raised for each in records if (raised := self._alert_of(each)) is not None]

    def _alert_of(self, stored: Stored) -> RaisedAlert | None:
        # A value that we did not write is skipped silently: services/alert_worker/voids.py raises an alert about it.
        if not self._authority.believes(self._keys, ALERTS, 0, stored.offset, stored.value):
            return None
        try:
            return raised_from(stored.offset, orjson.loads(stored.value))
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            log.error("an alert cannot be read, and is not sent", offset=stored.offset, reason=repr(fault))
            return None


def raised_from(offset: int, document: Mapping[str, Any]) -> RaisedAlert:
    """Convert an alert's document, as it is on the topic. Raises ValueError, TypeError, KeyError, AttributeError."""
    document = without_nul(document)
    at = datetime.fromisoformat(document["at"])
    alert = {
        "id": document["id"],
        "number": offset,
        "at": utc(at),
        "rule": document["rule"],
        "severity": document["severity"],
        "account": document["account"],
        "key_id": document["key"].rpartition("/")[2] or None,
        "subject": document["subject"],
        "title": document["title"],
        "summary": document["summary"],
        "suppressed": document["suppressed"],
        "source": document["source"],
        # An alert is open when it is raised. The projection holds what people did about it since.
        "state": "open",
        "marked_at": None,
        "marked_by": None,
        "note": None,
        "evidence": document["evidence"],
    }
    rank = SEVERITIES.index(document["severity"])
    return RaisedAlert(offset, alert | telling(alert), at, rank, document["suppressed"] is not None)


def digest_of(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


class AlertFeed:
    """The topic's records, in order, for one notifier."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._reader: Reader | None = None
        self._reading: asyncio.Task[Sequence[Stored]] | None = None
        self._next = -1

    async def more(self, start: int, patience: float, last: Callable[[], Awaitable[str]]) -> Sequence[Stored]:
        """The records from `start` on. If no record comes within `patience` seconds, the result is empty.

        `last` returns the digest that the notifier kept of the value before `start`. Raises INTERRUPTED; OutOfRange also if
        the topic now has a different value there.
        """
        if self._reader is None or self._next != start:
            await self.close()
            await self._require_same_value(start - 1, await last())
            self._reader, self._next = await self._topic.reader(start), start
        if self._reading is None:
            self._reading = asyncio.create_task(self._reader.read(BATCH_SIZE))
        # `wait` leaves the read running when the time is up. Cancelling it would lose what it has already read.
        await asyncio.wait({self._reading}, timeout=patience)
        if not self._reading.done():
            return ()
        reading, self._reading = self._reading, None
        try:
            found = reading.result()
        except (OutOfRange, Unavailable):
            await self.close()
            raise
        self._next = found[-1].offset + 1
        return found

    async def _require_same_value(self, offset: int, digest: str) -> None:
        """Raises OutOfRange if the value at `offset` is not the one with this digest: the topic was deleted and created again.
        Its length does not show that, since the new topic may already be longer than the old one."""
        if not digest or offset < await self._topic.start():
            return
        if offset >= (end := await self._topic.end()):
            raise OutOfRange(f"the topic ends at @{end}, but @{offset} was read before")
        found = await record_at(self._topic, offset)
        if found.offset != offset or digest_of(found.value) != digest:
            raise OutOfRange(f"the record at @{offset} is not the one that was read there before")

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None
        if self._reader is not None:
            await self._reader.close()
            self._reader = None


class EarlierAlerts:
    """Tells which alerts were raised before under the same id, so that each is sent once. Rules raise an alert again when they
    judge a record again: after a crash, or when they judge the whole log again.

    The projection says at which offset an alert was first raised. The record at that offset has to confirm it. Otherwise
    anybody who can write to Postgres could suppress an alert by adding its row before it is raised.
    """

    def __init__(self, pool: Pool, topic: Topic, alerts: AlertReader, patience: float = PATIENCE) -> None:
        """`patience`: how many seconds to wait for the projection."""
        self._patience = patience
        self._pool = pool
        self._topic = topic
        self._alerts = alerts
        self._ids: OrderedDict[int, str] = OrderedDict()
        """The id of the alert at each offset; "" if the record there is not an alert of ours."""
        self._firsts: OrderedDict[str, int] = OrderedDict()
        """The first offset of each alert, by its id."""

    def forget(self) -> None:
        """Forget every offset: the topic was replaced, or now begins at a different offset."""
        self._ids.clear()
        self._firsts.clear()

    async def new_among(self, found: Sequence[RaisedAlert]) -> list[RaisedAlert]:
        """The alerts that were not raised before. Raises Unavailable, LOST."""
        claimed = await self._claimed_offsets([each.alert["id"] for each in found])
        new = []
        for each in found:
            id = each.alert["id"]
            claim, known = claimed.get(id), self._firsts.get(id)
            if known is not None and known < each.offset:
                continue
            if claim is not None and claim < each.offset and await self._was_raised_at(claim, id):
                continue
            self._remember(each.offset, id)
            new.append(each)
        return new

    async def _claimed_offsets(self, ids: Sequence[str]) -> dict[str, int]:
        """Where the projection says that these alerts were first raised."""
        try:
            async with asyncio.timeout(self._patience):
                return await queries.numbers(AskedLog(self._pool), ids)
        except TimeoutError:
            # Somebody may hold a lock on the table for ever. So an alert that was raised twice is sent twice, with the same id.
            log.warning("Postgres did not say in time which alerts were raised before; all of them are sent")
            return {}
        except LOST:
            raise
        except asyncpg.PostgresError as fault:
            # The table does not exist yet, or somebody changed it. Sending an alert twice is better than not sending it.
            log.warning("Postgres cannot say which alerts were raised before; all of them are sent", reason=repr(fault))
            return {}

    async def _was_raised_at(self, offset: int, id: str) -> bool:
        if offset not in self._ids and offset >= 0:
            await self._read_from(offset)
        if self._ids.get(offset) == id:
            return True
        log.error(
            "a row of the projection of alerts was forged: it says that an alert was raised before. The alert is sent",
            alert=id,
            offset=offset,
        )
        return False

    async def _read_from(self, offset: int) -> None:
        """Remember the records from `offset` on: rules that judge a log again raise its alerts in the same order, so the next
        questions are about the records that follow."""
        try:
            reader = await self._topic.reader(offset)
            try:
                records = await reader.read(BATCH_SIZE)
            finally:
                await reader.close()
        except OutOfRange:
            return
        self._ids.update((each.offset, "") for each in records)
        for raised in await self._alerts.alerts_of(records):
            self._remember(raised.offset, raised.alert["id"])
        _forget(self._ids)

    def _remember(self, offset: int, id: str) -> None:
        self._ids[offset] = id
        self._firsts[id] = min(offset, self._firsts.get(id, offset))
        _forget(self._ids)
        _forget(self._firsts)


def _forget(known: OrderedDict[Any, Any]) -> None:
    while len(known) > MOST_REMEMBERED:
        known.popitem(last=False)
