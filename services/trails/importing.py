"""CloudTrail into a trail: every record raw onto the trail's topic, then into Postgres, each call once.

What is read is appended first and written after, so that a record in Postgres is always on the topic; an import that is
killed is begun again and writes what is missing. Records that are there already are not appended again: the same folder
twice changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import islice
from typing import Any

import asyncpg
import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from domain.cloudtrail.changes import is_change
from domain.cloudtrail.record import Broken, Elsewhere, Reading, read
from domain.ports import Unavailable
from services.adapters.kafka import KafkaTopic, Producer, connection
from services.adapters.postgres import LOST
from services.adapters.topics import FOREVER, MAX_MESSAGE
from services.settings import Settings
from services.trails.files import Found
from services.trails.naming import schema_of, topic_of
from services.trails.rows import CASE_COLUMNS, COLUMNS, Row, case_of, case_row, names, row_of

BATCH = 4_000
LOCK = 1802661490
KNOWN = 200_000
"""Names of cases, and of whom and what was met, that are remembered."""


@dataclass(slots=True)
class Taken:
    """What an import found: `told_twice` are records of calls that were there already, in another file or account."""

    records: int = 0
    new: int = 0
    told_twice: int = 0
    broken: int = 0
    of_other_services: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in ("records", "new", "told_twice", "broken", "of_other_services", "reasons")
        }


Progress = Callable[[str, int], None]
"""(what is being done, how many records so far)."""


class Trail:
    """A trail of this name, on an installation's broker and database."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings, self.name = settings, name
        self.schema, self.topic = schema_of(name), topic_of(settings, name)

    async def prepare(self, connection: asyncpg.Connection[Any]) -> bool:
        """Topic and tables; whether the tables are new. Raises Unavailable."""
        await _make_topic(self.settings, self.topic)
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{self.schema}.readers"):
            return False
        async with connection.transaction():
            await connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
            await connection.execute(f"CREATE SCHEMA {self.schema}")
            await connection.execute(f"SET LOCAL search_path TO {self.schema}")
            await connection.execute(files("projections").joinpath("trails", "table.sql").read_text())
            await connection.execute("INSERT INTO readers VALUES ($1)", self.settings.account_id)
        return True

    async def take(self, connection: asyncpg.Connection[Any], found: Iterable[Found], progress: Progress) -> Taken:
        """Every record into the trail. Raises Unavailable."""
        taken, writing = Taken(), _Writing(connection, self.schema)
        producer = Producer(self.settings)
        try:
            if await self.prepare(connection):
                # The topic outlives the tables: what was read before is read again from there.
                async for batch in self._kept():
                    await writing.put(batch, taken)
                    progress("reading the topic again", taken.records)
            taken = Taken()
            await writing.known_ids()
            stream = iter(found)
            while some := list(islice(stream, BATCH)):
                read_ones = [_read(each) for each in some]
                new, twice = await writing.unknown(read_ones)
                if new:
                    records = [(each.found.raw, _headers(each.found)) for each in new]
                    await producer.append_all(self.topic, 0, records)
                taken.told_twice += twice
                taken.of_other_services += sum(each.elsewhere for each in read_ones)
                taken.records += len(some)
                await writing.put(new, taken)
                progress("reading", taken.records)
        finally:
            await producer.close()
        return taken

    async def _kept(self) -> AsyncIterator[list[_Read]]:
        """What is on the topic."""
        topic = KafkaTopic(self.settings, self.topic)
        try:
            start, end = await topic.start(), await topic.end()
            if end == start:
                return
            reader = await topic.reader(start)
            try:
                at = start
                while at < end:
                    stored = await reader.read(BATCH)
                    at = stored[-1].offset + 1
                    yield [_read(_of_topic(each.value, self.topic, each.offset)) for each in stored]
            finally:
                await reader.close()
        finally:
            await topic.close()


def _headers(found: Found) -> list[tuple[str, bytes]]:
    return [("source", found.source.encode("utf-8", "replace")), ("place", found.place.encode())]


def _of_topic(value: bytes, topic: str, offset: int) -> Found:
    try:
        return Found(topic, f"offset {offset}", orjson.loads(value), value)
    except orjson.JSONDecodeError as fault:
        return Found(topic, f"offset {offset}", None, value, f"it is no JSON: {fault}")


@dataclass(slots=True)
class _Read:
    found: Found
    reading: Reading | None = None
    reason: str = ""
    elsewhere: bool = False


def _read(found: Found) -> _Read:
    if found.reason:
        return _Read(found, None, found.reason)
    document = found.document
    if b"\\u0000" in found.raw:  # no text of Postgres holds it
        document = orjson.loads(found.raw.replace(b"\\u0000", b"\\ufffd"))
    try:
        return _Read(found, read(document, names))
    except Elsewhere:
        return _Read(found, elsewhere=True)
    except Broken as fault:
        return _Read(found, None, str(fault))
    except (TypeError, ValueError, AttributeError, KeyError) as fault:
        # A record may be of any shape: what no line above looks for is a reason too, and stops nothing.
        return _Read(found, None, f"it is not shaped as a record is: {type(fault).__name__}: {fault}")


class _Writing:
    """Batches into `records`, `cases` and `aside`."""

    def __init__(self, connection: asyncpg.Connection[Any], schema: str) -> None:
        self._connection, self._schema = connection, schema
        self._cases: dict[bytes, None] = {}
        self._met: dict[tuple[str, str], int] = {}

    async def known_ids(self) -> None:
        await self._connection.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS incoming (LIKE {self._schema}.records) ON COMMIT DELETE ROWS"
        )

    async def unknown(self, batch: list[_Read]) -> tuple[list[_Read], int]:
        """Those that the trail does not have, or has in a form that says less; and how many told of a call again."""
        ids = [each.reading.id for each in batch if each.reading is not None]
        query = f"SELECT id, preferred FROM {self._schema}.records WHERE id = ANY($1)"
        held = {row["id"]: row["preferred"] for row in await self._connection.fetch(query, ids)}
        places = [(each.found.source, each.found.place) for each in batch if each.reason]
        if places:
            query = f"""SELECT source, place FROM {self._schema}.aside
                WHERE (source, place) IN (SELECT * FROM unnest($1::text[], $2::text[]))"""
            rows = await self._connection.fetch(query, *map(list, zip(*places, strict=True)))
            aside = {(row["source"], row["place"]) for row in rows}
        result, twice = [], 0
        for each in batch:
            if each.reading is not None:
                twice += each.reading.id in held
                had = held.get(each.reading.id)
                if had is None or (each.reading.preferred and not had):
                    held[each.reading.id] = each.reading.preferred
                    result.append(each)
            elif each.reason and (each.found.source, each.found.place) not in aside:
                result.append(each)
        return result, twice

    async def put(self, batch: list[_Read], taken: Taken) -> None:
        await self.known_ids()
        rows: dict[str, Row] = {}
        cases: dict[bytes, Row] = {}
        aside: list[Row] = []
        for each in batch:
            reading = each.reading
            if reading is None:
                if each.reason:
                    taken.broken += 1
                    taken.reasons[each.reason[:80]] = taken.reasons.get(each.reason[:80], 0) + 1
                    broken = each.found.raw.decode("utf-8", "replace").replace("\0", "�")
                    aside.append((each.found.source, each.found.place, each.reason.replace("\0", "�"), broken))
                continue
            case = case_of(reading)
            name = None
            if case is not None:
                name, row = case_row(reading, case)
                if name not in self._cases:
                    cases[name] = row
            kept = is_change(reading) or self._meets(reading)
            raw = each.found.raw.replace(b"\\u0000", b"\\ufffd").decode("utf-8", "replace") if kept else None
            held = rows.get(reading.id)
            if held is None or (reading.preferred and not held[4]):
                rows[reading.id] = row_of(reading, name, raw)
        async with self._connection.transaction():
            await self._write(list(rows.values()), list(cases.values()), aside)
        self._cases.update(dict.fromkeys(cases))
        while len(self._cases) > KNOWN:
            del self._cases[next(iter(self._cases))]
        taken.new += len(rows)

    def _meets(self, reading: Reading) -> bool:
        """Whether it is the earliest record so far that names its caller, or its key: the trail meets them by it."""
        found = False
        names = [("who", reading.role_id or reading.unique or reading.principal)]
        names += [("key", arn) for arn in reading.resources]
        for kind, name in names:
            if not name:
                continue
            at = self._met.get((kind, name))
            if at is None or reading.at < at:
                self._met[kind, name] = reading.at
                found = True
        return found

    async def _write(self, rows: list[Row], cases: list[Row], aside: list[Row]) -> None:
        connection, schema = self._connection, self._schema
        if cases:
            await connection.executemany(
                f"INSERT INTO {schema}.cases ({', '.join(CASE_COLUMNS)}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                cases,
            )
        if aside:
            await connection.executemany(
                f"INSERT INTO {schema}.aside VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", aside
            )
        if rows:
            await connection.copy_records_to_table("incoming", schema_name="pg_temp", columns=COLUMNS, records=rows)
            columns = ", ".join(COLUMNS)
            updates = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
            await connection.execute(
                f"INSERT INTO {schema}.records ({columns}) SELECT {columns} FROM pg_temp.incoming "
                f"ON CONFLICT (id) DO UPDATE SET {updates} WHERE excluded.preferred AND NOT records.preferred"
            )


async def _make_topic(settings: Settings, topic: str) -> None:
    """Raises Unavailable."""
    client = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=15_000)
    try:
        await client.start()
        if topic in set(await client.list_topics()):
            return
        brokers = len((await client.describe_cluster())["brokers"])
        new = NewTopic(topic, 1, min(3, brokers), topic_configs=FOREVER | MAX_MESSAGE)
        response = await client.create_topics([new], timeout_ms=10_000)
        for name, code, *_ in response.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise for_code(code)(name)
    except (OSError, TimeoutError) as fault:
        raise Unavailable(f"Kafka at {settings.kafka} does not answer: {fault}") from fault
    finally:
        await client.close()


async def open_connection(settings: Settings) -> asyncpg.Connection[Any]:
    """One that holds the lock of imports, one at a time. Raises Unavailable."""
    try:
        connection = await asyncpg.connect(settings.postgres, timeout=5)
    except LOST as fault:
        raise Unavailable(f"Postgres does not answer: {fault}") from fault
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        await connection.close()
        raise Unavailable("another import is under way")
    return connection
