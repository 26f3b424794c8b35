"""What was raised, from the topic of alerts itself: its values are authenticated, and rows of the projection are not."""

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
from services.adapters.postgres import LOST, Pool
from services.logs import logger_of
from services.rendering import utc

log = logger_of("notifier")

TAKEN = 500
PATIENCE = 5.0
"""Seconds for the question which alerts were raised before, and for one record that is there."""
REMEMBERED = 50_000
"""Records of which it is known which alert they raised."""


@dataclass(frozen=True, slots=True)
class Raised:
    """`alert` as every notifier tells it. `rank` is its severity's, 0 for the mildest."""

    offset: int
    alert: dict[str, Any]
    at: datetime
    rank: int
    suppressed: bool


class Authentic:
    """Tells what this installation wrote on the topic. `newest` gives what the log says of authenticity now."""

    def __init__(self, keys: VaultKeyring, authority: Authority, newest: Callable[[], Awaitable[Authority]]) -> None:
        self._keys = keys
        self._authority = authority
        self._newest = newest

    async def look_again(self) -> None:
        """Raises Unavailable, OutOfRange, Unreadable, MasterKeyRefused."""
        await self._keys.read_again()
        known = self._authority
        others = [name for name in self._keys.names() if name != known.key and name not in known.retired]
        if not known.begun or known.key != self._keys.newest or others:
            self._authority = await self._newest()

    async def of(self, records: Sequence[Stored]) -> list[Raised]:
        """Raises Unavailable, MasterKeyRefused."""
        await self._keys.know_those_of(each.value for each in records)
        return [raised for each in records if (raised := self._one(each)) is not None]

    def _one(self, stored: Stored) -> Raised | None:
        # Whoever watches the topic raises an alert for a value that is void (services/alert_worker/voids.py).
        if not self._authority.believes(self._keys, ALERTS, 0, stored.offset, stored.value):
            return None
        try:
            return raised_from(stored.offset, orjson.loads(stored.value))
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            log.error("an alert cannot be read, and is told to nobody", offset=stored.offset, reason=repr(fault))
            return None


def raised_from(offset: int, document: Mapping[str, Any]) -> Raised:
    """Of an alert as it stands on the topic. Raises ValueError, TypeError, KeyError, AttributeError."""
    document = without_nul(document)
    at = datetime.fromisoformat(document["at"])
    found = {
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
        # As it was raised: what was done about it since stands in the projection.
        "state": "open",
        "marked_at": None,
        "marked_by": None,
        "note": None,
        "evidence": document["evidence"],
    }
    rank = SEVERITIES.index(document["severity"])
    return Raised(offset, found | telling(found), at, rank, document["suppressed"] is not None)


def digest_of(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


class AlertFeed:
    """The topic's records, followed by one notifier."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._reader: Reader | None = None
        self._reading: asyncio.Task[Sequence[Stored]] | None = None
        self._next = -1

    async def more(self, start: int, patience: float, last: Callable[[], Awaitable[str]]) -> Sequence[Stored]:
        """The records from `start` on; none where none comes within `patience` seconds. `last` gives the digest of the value
        before `start`, as it was taken in. Raises OutOfRange, also where another value stands there now, and INTERRUPTED."""
        if self._reader is None or self._next != start:
            await self.close()
            await self._require(start - 1, await last())
            self._reader, self._next = await self._topic.reader(start), start
        if self._reading is None:
            self._reading = asyncio.create_task(self._reader.read(TAKEN))
        # Waited for beside it, and not broken off: what was read already would be lost.
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

    async def _require(self, offset: int, digest: str) -> None:
        """A topic that was made anew may be longer than the one before already."""
        if not digest or offset < await self._topic.start():
            return
        if offset >= (end := await self._topic.end()):
            raise OutOfRange(f"the topic ends at @{end}, and @{offset} was taken in")
        reader = await self._topic.reader(offset)
        try:
            async with asyncio.timeout(PATIENCE):
                found = await reader.read(1)
        finally:
            await reader.close()
        if found[0].offset != offset or digest_of(found[0].value) != digest:
            raise OutOfRange(f"another record stands at @{offset} than was taken in from there")

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None
        if self._reader is not None:
            await self._reader.close()
            self._reader = None


class Earlier:
    """Which alerts were raised before under the same name: judged again after a crash, or all of a log anew. The first counts.

    The projection says where that was, and the record there has to say the same: anybody who writes to Postgres could name an
    alert before it is raised, and nobody would hear of it.
    """

    def __init__(self, pool: Pool, topic: Topic, authentic: Authentic, patience: float = PATIENCE) -> None:
        """`patience`: seconds for which the projection is waited for."""
        self._patience = patience
        self._pool = pool
        self._topic = topic
        self._authentic = authentic
        self._ids: OrderedDict[int, str] = OrderedDict()
        """By offset; "" for a record that raised nothing."""
        self._firsts: OrderedDict[str, int] = OrderedDict()

    def forget(self) -> None:
        """The topic is another one, or begins at another place."""
        self._ids.clear()
        self._firsts.clear()

    async def without(self, found: Sequence[Raised]) -> list[Raised]:
        """Those that were not raised before. Raises Unavailable, LOST."""
        claimed = await self._claimed([each.alert["id"] for each in found])
        new = []
        for each in found:
            id = each.alert["id"]
            claim, known = claimed.get(id), self._firsts.get(id)
            if known is not None and known < each.offset:
                continue
            if claim is not None and claim < each.offset and await self._raised(claim, id):
                continue
            self._remember(each.offset, id)
            new.append(each)
        return new

    async def _claimed(self, ids: Sequence[str]) -> dict[str, int]:
        try:
            async with asyncio.timeout(self._patience):
                return await queries.numbers(AskedLog(self._pool), ids)
        except TimeoutError:
            # Somebody may hold a lock on that table for ever. What was raised twice is told twice then, under the same id.
            log.warning("Postgres does not say in time which alerts were raised before; all of them are told")
            return {}
        except LOST:
            raise
        except asyncpg.PostgresError as fault:
            # It is not there yet, or somebody did something to it: told twice is better than not at all.
            log.warning("nothing says which alerts were raised before", reason=repr(fault))
            return {}

    async def _raised(self, offset: int, id: str) -> bool:
        if offset not in self._ids and offset >= 0:
            await self._read(offset)
        if self._ids.get(offset) == id:
            return True
        log.error(
            "a row of the projection of alerts was made up or changed: it says that an alert was raised before; it is told",
            alert=id,
            offset=offset,
        )
        return False

    async def _read(self, offset: int) -> None:
        """And those behind it: what was judged anew comes in the same order."""
        try:
            reader = await self._topic.reader(offset)
            try:
                records = await reader.read(TAKEN)
            finally:
                await reader.close()
        except OutOfRange:
            return
        self._ids.update((each.offset, "") for each in records)
        for raised in await self._authentic.of(records):
            self._remember(raised.offset, raised.alert["id"])
        _forget(self._ids)

    def _remember(self, offset: int, id: str) -> None:
        self._ids[offset] = id
        self._firsts[id] = min(offset, self._firsts.get(id, offset))
        _forget(self._ids)
        _forget(self._firsts)


def _forget(known: OrderedDict[Any, Any]) -> None:
    while len(known) > REMEMBERED:
        known.popitem(last=False)
