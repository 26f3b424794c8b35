"""Imports CloudTrail into a trail: each record goes unchanged onto the trail's topic, then into Postgres. A call that comes twice
is kept once.

A record is appended before it is written, so every record in Postgres is on the topic. If an import is killed, the next one
writes what is missing: each begins with what the topic has and the tables do not (`topic_read`). Records that the trail already
has are not appended again, so importing a folder twice changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

import asyncpg

from domain.log.authenticity import before_envelope
from domain.log.authority import Authority, trail_kind
from domain.ports import Stored, Unavailable
from projections.trails import records
from services.adapters import snapshots
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.kafka import KafkaTopic, Producer
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.known_records import read_between
from services.adapters.postgres import connect_alone
from services.adapters.topics import log_topic, make_kept
from services.adapters.trail_topics import schema_of, topic_of
from services.bounded import forget_oldest
from services.runtime.bootstrap import open_pool, open_vault
from services.runtime.memory import keep, seldom
from services.settings import Settings
from services.trails.answers import PART
from services.trails.documents import KEPT
from services.trails.fold import ImportProgress
from services.trails.prepared import Prepared, RecordKind, RecordPreparer
from services.trails.reader_process import BATCH, Ahead
from services.trails.rows import CASE_COLUMNS, COLUMNS, KIND_COLUMNS, TrailRow
from services.trails.wrappers import FoundRecord

REASONS = 1_000
"""The number of reasons that are counted separately."""
KNOWN = 200_000
"""The number of names (of kinds, callers and keys) that are remembered."""


@dataclass(slots=True)
class ImportCounts:
    """What an import found. Each record is one of these: new; of a call that the trail already had from another file or
    account; of another service; broken; passed over, because it is not the record of a call. `not_kept`: broken parts beyond
    those that are kept of each file. They do not count as records."""

    records: int = 0
    new: int = 0
    told_twice: int = 0
    broken: int = 0
    of_other_services: int = 0
    passed_over: int = 0
    not_kept: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return asdict(self)

    def count(self, batch: list[Prepared], known: set[str]) -> None:
        """`known`: the ids that the trail has. Adds the new ones."""
        self.records += len(batch)
        for each in batch:
            if each.kind is not None:
                if each.id in known:
                    self.told_twice += 1
                else:
                    self.new += 1
                    known.add(each.id)
            elif each.elsewhere:
                self.of_other_services += 1
            elif each.passed:
                self.passed_over += 1
                self.passed[each.passed] = self.passed.get(each.passed, 0) + 1
            else:
                self.broken += 1
                self.not_kept += each.not_kept
                short = each.reason[:80]
                if short in self.reasons or len(self.reasons) < REASONS:
                    self.reasons[short] = self.reasons.get(short, 0) + 1


class Trail:
    """A trail on an installation's broker and database."""

    def __init__(self, settings: Settings, name: str, keys: VaultKeyring, authority: Authority) -> None:
        """`authority`: what the installation's own log now accepts as authentic. Raises BadName."""
        self.settings, self.name = settings, name
        self._keys, self._authority, self._kind = keys, authority, trail_kind(name)
        self.schema, self.topic = schema_of(name), topic_of(settings, name)

    async def prepare(self, connection: asyncpg.Connection[Any]) -> None:
        """Makes the topic and the tables. Raises Unavailable."""
        await make_kept(self.settings, self.topic)
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{self.schema}.readers"):
            if await connection.fetchval("SELECT to_regclass($1) IS NULL", f"{self.schema}.topic_read"):
                await records.upgrade(connection, self.schema, self.topic)
            return
        async with connection.transaction():
            await connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
            await connection.execute(f"CREATE SCHEMA {self.schema}")
            await connection.execute(f"SET LOCAL search_path TO {self.schema}")
            await connection.execute(files("projections").joinpath("trails", "table.sql").read_text())
            await records.let_read(connection, self.settings.account_id)

    async def take(self, connection: asyncpg.Connection[Any], ahead: Ahead, progress: ImportProgress) -> ImportCounts:
        """Takes each record into the trail. Raises Unavailable."""
        keep()
        await self.prepare(connection)
        writing = _RecordWriter(connection, self.schema)
        topic = KafkaTopic(self.settings, self.topic)
        try:
            end = await self._catch_up(connection, topic, writing, progress)
            taken, appended = await self._take(ahead, writing, progress)
            # If anybody else wrote there meanwhile, or an append of a killed import came late, the next import reads from `end`.
            if await topic.end() == end + appended:
                await records.reach(connection, self.schema, end + appended)
        finally:
            await topic.close()
        return taken

    async def _catch_up(
        self, connection: asyncpg.Connection[Any], topic: KafkaTopic, writing: _RecordWriter, progress: ImportProgress
    ) -> int:
        """Writes what the topic has and the tables have not: all of it if they are new, and what an import that was killed had
        appended. Returns the end of the topic."""
        start, end = await topic.start(), await topic.end()
        reached = await records.reached(connection, self.schema)
        if reached > end:  # it is another topic than the one that was read
            reached = start
        read, preparing = ImportCounts(), RecordPreparer()
        async for kept, following in self._kept(topic, max(start, reached), end):
            batch = [preparing.prepare(each) for each in kept]
            new, held = await writing.unknown(batch)
            await writing.put(new, held, following)
            read.count(batch, set(held))
            progress("reading the topic again", read.new)
        return end

    async def _take(self, ahead: Ahead, writing: _RecordWriter, progress: ImportProgress) -> tuple[ImportCounts, int]:
        """Returns also how many records it appended to the topic."""
        taken, producer, appended = ImportCounts(), Producer(self.settings), 0
        try:
            with seldom():
                batch = await ahead.following()
                while batch:
                    # While the broker and the database write one batch, this process reads the next.
                    reading = asyncio.create_task(ahead.following())
                    try:
                        appended += await self._one(batch, writing, producer, taken)
                    finally:
                        following_batch = await reading
                    batch = following_batch
                    progress("reading", taken.records)
                await writing.written()
        finally:
            await producer.close()
        return taken, appended

    async def _one(self, batch: list[Prepared], writing: _RecordWriter, producer: Producer, taken: ImportCounts) -> int:
        """Appends a batch to the topic while Postgres writes the batch before it. Returns how many records it appended."""
        new, held = await writing.unknown(batch)
        before = asyncio.create_task(writing.written())
        try:
            if new:
                seal = self._keys.seal(self._keys.newest, self._kind, self._authority.log)
                values = [(seal.behind(each.found.raw), _headers(each.found)) for each in new]
                await producer.append_all(self.topic, 0, values)
        finally:
            await before
        writing.await_writing(new, held)
        taken.count(batch, set(held))
        return len(new)

    async def _kept(self, topic: KafkaTopic, start: int, end: int) -> AsyncIterator[tuple[list[FoundRecord], int]]:
        """The records on the topic from `start` up to before `end`, with the offset that follows them."""
        if start == end:
            return
        reader = await topic.reader(start)
        try:
            async for stored in read_between(reader, start, end, BATCH):
                await self._keys.know_those_of(each.value for each in stored)
                yield [self._of_topic(each) for each in stored], stored[-1].offset + 1
        finally:
            await reader.close()

    def _of_topic(self, stored: Stored) -> FoundRecord:
        value, offset = stored.value, stored.offset
        if not self._authority.believes(self._keys, self._kind, 0, offset, value):
            reason = "somebody else than Keytrail wrote it to the trail's topic"
            return FoundRecord(self.topic, f"offset {offset}", value, reason)
        told = {name: (text or b"").decode("utf-8", "replace") for name, text in stored.headers}
        place = told.get("place", "")
        return FoundRecord(told.get("source", ""), place, before_envelope(value), of_answer=place.startswith(PART))


@asynccontextmanager
async def opened(settings: Settings, name: str) -> AsyncIterator[Trail]:
    """Opens the trail with the installation's keys, and with what the installation's own log says of them.

    Raises BadName, Unavailable, MasterKeyRefused.
    """
    pool = await open_pool(settings)
    events = log_topic(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        now = await snapshots.newest(pool, events, keys)
        yield Trail(settings, name, keys, now.chain.authority)
    finally:
        await events.close()
        await pool.close()


def _headers(found: FoundRecord) -> list[tuple[str, bytes]]:
    return [("source", _encoded(found.source)), ("place", found.place.encode())]


@lru_cache(maxsize=64)
def _encoded(source: str) -> bytes:
    return source.encode("utf-8", "replace")


class _RecordWriter:
    """Writes batches into `records`, `kinds`, `cases` and `aside`."""

    def __init__(self, connection: asyncpg.Connection[Any], schema: str) -> None:
        self._connection, self._schema = connection, schema
        self._known: dict[bytes, None] = {}
        self._met: dict[tuple[str, str], datetime] = {}
        self._waiting: tuple[list[Prepared], set[str]] | None = None

    async def unknown(self, batch: list[Prepared]) -> tuple[list[Prepared], set[str]]:
        """Returns the records that the trail does not have, or has with less information; and the ids that it has."""
        ids = [each.id for each in batch if each.kind is not None]
        there = await records.preferred(self._connection, self._schema, ids)
        if self._waiting is not None:
            for each in self._waiting[0]:
                if each.kind is not None:
                    there[each.id] = each.preferred or there.get(each.id, False)
        held = dict(there)
        broken = {at: _aside(each)[0] for at, each in enumerate(batch) if each.reason}
        aside = await records.aside_of(self._connection, self._schema, [*broken.values()]) if broken else set()
        result = []
        for at, each in enumerate(batch):
            if each.kind is not None:
                had = held.get(each.id)
                if had is None or (each.preferred and not had):
                    held[each.id] = each.preferred
                    result.append(each)
            elif each.reason and broken[at] not in aside:
                result.append(each)
        return result, set(there)

    def await_writing(self, batch: list[Prepared], held: set[str]) -> None:
        """Notes a batch that is on the topic: the trail has it from now on, and `written` writes it."""
        self._waiting = batch, held

    async def written(self) -> None:
        waiting = self._waiting
        if waiting is not None:
            await self.put(*waiting)
            self._waiting = None if self._waiting is waiting else self._waiting

    async def put(self, batch: list[Prepared], held: set[str], reached: int | None = None) -> None:
        """`held`: the ids that the trail has; `reached`: the offset up to which the topic is in the tables then."""
        chosen: dict[str, tuple[Prepared, RecordKind]] = {}
        kinds: dict[bytes, TrailRow] = {}
        cases: dict[bytes, TrailRow] = {}
        aside: list[TrailRow] = []
        for each in batch:
            kind = each.kind
            if kind is None:
                if each.reason:
                    aside.append(_aside(each))
                continue
            name = kind.name
            if name not in self._known:
                if kind.row is not None:
                    kinds[name] = kind.row
                if kind.case is not None:
                    cases[kind.case[0]] = kind.case
            twin = chosen.get(each.id)
            if twin is None or (each.preferred and not twin[0].preferred):
                chosen[each.id] = each, kind
        rows = [self._row(each, kind, replaces=each.id in held) for each, kind in chosen.values()]
        async with self._connection.transaction():
            await self._intern("cases", CASE_COLUMNS, list(cases.values()))
            await self._intern("kinds", KIND_COLUMNS, list(kinds.values()))
            await self._write(rows, aside, held)
            if reached is not None:
                await records.reach(self._connection, self._schema, reached)
        self._known.update(dict.fromkeys(kinds))
        forget_oldest(self._known, KNOWN)

    def _row(self, each: Prepared, kind: RecordKind, *, replaces: bool) -> TrailRow:
        """`replaces`: the trail has a record of this call, which may be the earliest that names its caller or key, and is
        removed."""
        assert each.at is not None, "a record of a kind has a time"
        kept = self._meets(kind, each.at) or kind.changes or replaces
        raw = each.found.text if kept else None
        return (each.id, each.at, each.order, each.seen, each.preferred, kind.name, raw)

    def _meets(self, kind: RecordKind, at: datetime) -> bool:
        """Whether this is the earliest record so far that names its caller or key. Such a record adds them to the trail."""
        found = False
        for name in kind.met:
            first = self._met.get(name)
            if first is None or at < first:
                self._met[name] = at
                found = True
        return found

    async def _intern(self, table: str, columns: tuple[str, ...], rows: list[TrailRow]) -> None:
        """Writes the new rows. No other import writes to the trail meanwhile: imports run one at a time."""
        if rows:
            there = await records.there(self._connection, self._schema, table, [row[0] for row in rows])
            new = [row for row in rows if row[0] not in there]
            if new:
                await self._connection.copy_records_to_table(
                    table, schema_name=self._schema, columns=columns, records=new
                )

    async def _write(self, rows: list[TrailRow], aside: list[TrailRow], held: set[str]) -> None:
        connection, schema = self._connection, self._schema
        if aside:
            await records.put_aside(connection, schema, aside)
        if rows:
            # If the trail has the record, this one is here because it says more of the same call.
            upgraded = [row[0] for row in rows if row[0] in held]
            if upgraded:
                await records.remove(connection, schema, upgraded)
            await connection.copy_records_to_table("records", schema_name=schema, columns=COLUMNS, records=rows)


def _aside(each: Prepared) -> TrailRow:
    source, place, reason, raw = (
        text.replace("\0", "\ufffd")
        for text in (each.found.source, each.found.place, each.reason, each.found.raw[:KEPT].decode("utf-8", "replace"))
    )
    return records.aside_id(source, place, raw), source, place, reason, raw


async def open_connection(settings: Settings) -> asyncpg.Connection[Any]:
    """Opens a connection that holds the lock of imports: they run one at a time. Raises Unavailable."""
    connection = await connect_alone(settings)
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", AdvisoryLock.IMPORT_TRAIL):
        await connection.close()
        raise Unavailable("another import is under way")
    return connection
