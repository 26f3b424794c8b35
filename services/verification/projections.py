"""Verifies the projections against the topics from which they are made.

Each projection is filled once more in temporary tables, up to exactly the positions at which one transaction sees the live
tables. Then the rows are compared: first a digest for each of many groups of rows, then the rows of the groups that differ. The
live projection is neither locked nor delayed. Postgres drops temporary tables with their connection, so nothing is left of a
verification that was killed, and two at the same time do not meet.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import Any

import asyncpg
import orjson

from domain.log.authenticity import EVENTS
from domain.log.chain import Chain
from domain.ports import Unavailable
from domain.state.fold import Fold
from projections.registry import PROJECTIONS, Projection
from services.adapters import snapshots, topics
from services.adapters.kafka import KafkaReader
from services.adapters.keyring import VaultKeyring
from services.adapters.known_records import read_known
from services.adapters.postgres import Connection, Pool
from services.adapters.record_topics import IDLE, RecordTopics, topics_read
from services.adapters.topic_bounds import TopicBounds
from services.adapters.topics import log_topic
from services.projector import store
from services.projector.feed import EntryFeed
from services.projector.store import TEMPORARY, ReadTo
from services.projector.worker import BATCH
from services.runtime.task_group import both
from services.settings import Settings
from services.verification.filled_tables import FilledTables
from services.verification.table_shapes import TableShape, differing_shape, shapes
from services.verification.topics import VerificationProgress

NAMED = 5
"""How many differing rows of a table are shown; all are counted."""
MADE_WITHIN = 15.0
"""Seconds that are waited for a projection that is not there: the projector makes it moments after `keytrail up` is ready."""
LOOK_EVERY = 0.2
SURELY_READ = 60.0
"""Seconds within which the projector has read a record, unless it is far behind."""
COMPARED = 1000
"""With how many missing rows an unknown row is compared, to find the one from which it was made."""
SHOWN = 300
"""How many characters of a row or a value are shown."""
LookAtPositions = Callable[
    [Settings, Connection, VaultKeyring, Projection, dict[store.Partition, int], Container[str], "AskedTopics"],
    Awaitable["Difference | None"],
]
GROUPS_AT_ONCE = 1024
"""Of how many of the 65,536 groups the rows are in memory at a time, where they differ."""
NOT_OURS, GONE = "Keytrail makes no such table", "the table is gone"
NAMELESS = ""
"""The log of tables that nobody goes on with."""
OWN = ("positions", "lanes", "anchors", "origin", "made")
"""Tables that say since when and how far a projection has read, not what it contains."""


@dataclass(slots=True)
class Difference:
    """Rows of a table that do not follow from the topics (`unknown`), and rows that do but are not there (`missing`)."""

    table: str
    unknown: int = 0
    missing: int = 0
    examples: list[str] = field(default_factory=list)


class AskedTopics:
    """What the broker is asked for each projection. Clients are kept from one projection to the next, since connecting takes more
    of the processor than the answers of a small log."""

    def __init__(self, settings: Settings, pool: Pool, keys: VaultKeyring) -> None:
        self._settings, self._pool, self._keys = settings, pool, keys
        self._events = log_topic(settings)
        self._bounds = TopicBounds(settings, *topics_read(settings).values())
        self._fold: Fold | None = None
        self._partitions = 0

    async def chain_now(self) -> Chain:
        """The log's chain at its end. Raises Unavailable, OutOfRange, Unreadable."""
        if self._fold is None:
            self._fold = await snapshots.newest(self._pool, self._events, self._keys)
        else:
            await snapshots.bring_to_end(self._fold, self._events, self._keys)
        return self._fold.chain

    async def bounds(self) -> dict[str, dict[int, tuple[int, int]]]:
        """By kind of topic, for each partition: the first offset that is still there, and the offset of its next record."""
        found = await self._bounds.now()
        return {kind: found[name] for kind, name in topics_read(self._settings).items()}

    async def partitions(self) -> int:
        """Of `decisions`."""
        self._partitions = self._partitions or await topics.prepare(self._settings, flush=False)
        return self._partitions

    async def close(self) -> None:
        await self._events.close()
        await self._bounds.close()


async def verify_projections(
    settings: Settings, pool: Pool, keys: VaultKeyring, tell: VerificationProgress
) -> list[Difference]:
    """The tables whose rows differ from those that follow from the topics. Raises Unavailable, OutOfRange, Unreadable."""
    found: list[Difference] = []
    asked = AskedTopics(settings, pool, keys)
    try:
        for projection in PROJECTIONS.values():
            found += await differences(settings, pool, keys, projection, tell, asked)
    finally:
        await asked.close()
    return found


async def differences(
    settings: Settings,
    pool: Pool,
    keys: VaultKeyring,
    projection: Projection,
    tell: VerificationProgress,
    asked: AskedTopics,
    look_at_positions: LookAtPositions | None = None,
) -> list[Difference]:
    """`look_at_positions` finds a difference in the positions themselves; after it, nothing more is compared."""
    # This comes before the positions are read, since they are sealed again before a key is retired.
    retired = (await asked.chain_now()).authority.retired
    await _made(pool, projection, tell)
    async with pool.acquire() as other:
        await _drop_what_was_left(other, projection)
        try:
            await store.prepare(other, projection, NAMELESS, keys, TEMPORARY)
            async with pool.acquire() as live, live.transaction(isolation="repeatable_read", readonly=True):
                there, right = await shapes(live, projection.schema), await shapes(other, TEMPORARY)
                if changed := _of_own_shape(projection, there, right):
                    return [changed]
                at = await store.positions(live, projection.schema)
                if changed := await (look_at_positions or _of_positions)(
                    settings, live, keys, projection, at, retired, asked
                ):
                    return [changed]
                await _fill(settings, other, keys, projection, at, tell, asked)
                return await _differing_tables(live, other, projection, there, right, tell)
        finally:
            await other.execute("DISCARD TEMP")


async def _drop_what_was_left(connection: Connection, projection: Projection) -> None:
    """Earlier versions filled a schema, which stayed where they were killed."""
    await connection.execute(f"DROP SCHEMA IF EXISTS {projection.schema}_verified CASCADE")


async def _made(pool: Pool, projection: Projection, tell: VerificationProgress) -> None:
    """Returns when the projection is there. Raises Unavailable if nobody makes it."""
    until = time.monotonic() + MADE_WITHIN
    while not await store.are_made(pool, [projection]):
        if time.monotonic() > until:
            raise Unavailable(
                f"the projection {projection.name} is not there: the projector makes it when it starts, and has not. "
                "`keytrail status` shows whether it runs; `keytrail verify --topics-only` does without it"
            )
        tell(f"waiting for the projector to make {projection.name}", 0, 0)
        await asyncio.sleep(LOOK_EVERY)


def _of_own_shape(
    projection: Projection, there: Mapping[str, TableShape], right: Mapping[str, TableShape]
) -> Difference | None:
    """A difference in the shape of a table that says how far the projection has read: nothing can be compared then."""
    for name in right.keys() & OWN:
        wrong = [*differing_shape(there[name], right[name])] if name in there else [GONE]
        if wrong:
            return Difference(f"{projection.schema}.{name}", examples=wrong[:NAMED])
    return None


async def _of_positions(
    settings: Settings,
    live: Connection,
    keys: VaultKeyring,
    projection: Projection,
    at: dict[store.Partition, int],
    retired: Container[str],
    asked: AskedTopics,
) -> Difference | None:
    """A difference in the positions: if somebody else wrote or removed some, a comparison up to them would prove nothing."""
    table = f"{projection.schema}.positions"
    if not await store.are_ours(live, projection, keys, projection.schema, retired):
        return Difference(table, unknown=1, examples=["not Keytrail's own"])
    for topic, bounds in (await asked.bounds()).items():
        for partition, (start, end) in bounds.items() if topic in projection.topics else ():
            name = topics_read(settings)[topic]
            if end > start and (topic, partition) not in at and await _is_older(settings, name, partition, start):
                return Difference(table, missing=1, examples=[f"missing: {topic}/{partition}"])
            if at.get((topic, partition), 0) > end:
                return Difference(table, unknown=1, examples=[f"beyond the topic's end: {topic}/{partition}"])
    return None


async def _is_older(settings: Settings, topic: str, partition: int, start: int) -> bool:
    """Whether a partition's first record is so old that the projector must have read it."""
    reader = await KafkaReader(settings, topic, partition).open(start)
    try:
        (first, *_) = await read_known(reader, 1)
    finally:
        await reader.close()
    return time.time() * 1_000_000 - first.appended > SURELY_READ * 1_000_000


async def _fill(
    settings: Settings,
    connection: Connection,
    keys: VaultKeyring,
    projection: Projection,
    to: dict[store.Partition, int],
    tell: VerificationProgress,
    asked: AskedTopics,
) -> None:
    """Fills the projection in the connection's empty temporary tables from the topics, up to exactly these offsets."""
    # Of the log, each projection needs the chain at least. Nothing has to be waited for: it is all there.
    topics = RecordTopics(settings, await asked.partitions(), {EVENTS, *projection.topics})
    feed = EntryFeed(topics, settings.region, keys, IDLE)
    await feed.open(ReadTo(), await asked.chain_now())
    filled, total = FilledTables(connection, projection, keys, to), sum(to.values())
    try:
        batch = await feed.next(BATCH)
        while True:
            writing = filled.take(batch)
            if filled.is_whole:
                await writing
                break
            _, batch = await both(writing, feed.next(BATCH))
            tell(f"filling {projection.name} anew", filled.count, total)
    finally:
        await feed.close()


async def _differing_tables(
    live: Connection,
    other: Connection,
    projection: Projection,
    there: Mapping[str, TableShape],
    right: Mapping[str, TableShape],
    tell: VerificationProgress,
) -> list[Difference]:
    names = sorted((there.keys() | right.keys()).difference(OWN))
    found = list[Difference]()
    for done, name in enumerate(names):
        tell(f"comparing the table {name} of {projection.name}", done, len(names))
        table = f"{projection.schema}.{name}"
        if name not in right:
            found.append(Difference(table, examples=[NOT_OURS]))
        elif name not in there:
            found.append(Difference(table, examples=[GONE]))
        elif wrong := list(differing_shape(there[name], right[name])):
            found.append(Difference(table, examples=wrong[:NAMED]))
        elif rows := await _compared_or_named(live, other, projection.schema, right[name]):
            found.append(rows)
    return found


async def _compared_or_named(live: Connection, other: Connection, schema: str, shape: TableShape) -> Difference | None:
    """A table whose rows Postgres cannot compare, as where one of them is too long to be a text, differs too."""
    try:
        async with live.transaction():  # one within the transaction, which goes on after an error
            return await _compared(live, other, schema, shape)
    except (asyncpg.DataError, asyncpg.SyntaxOrAccessError, asyncpg.ProgramLimitExceededError) as fault:
        return Difference(f"{schema}.{shape.quoted}", examples=[f"its rows cannot be compared: {fault}"])


# Functions have their full names: the database's owner could define others of the same name on the search path.
_HASH = "pg_catalog.sha256(pg_catalog.convert_to({text}, 'UTF8'))"
_NUMBER = "pg_catalog.get_byte({hash}, 0) * 256 + pg_catalog.get_byte({hash}, 1)"
_OF_ROW = _HASH.format(text="ROW({columns})::text")
_GROUPS = f"""
WITH rows AS (SELECT {_OF_ROW} AS hash FROM {{schema}}.{{table}})
SELECT {_NUMBER.format(hash="hash")} AS number,
    pg_catalog.sha256(pg_catalog.string_agg(hash, ''::bytea ORDER BY hash)) AS digest
FROM rows GROUP BY number
"""
_ROWS = f"""
SELECT text, pg_catalog.count(*) AS times FROM (SELECT ROW({{columns}})::text AS text FROM {{schema}}.{{table}}) rows
WHERE {_NUMBER.format(hash=_HASH.format(text="text"))} = ANY($1::int[]) GROUP BY text
"""
_DOCUMENTS = """
SELECT text, document FROM (
    SELECT ROW({columns})::text AS text, pg_catalog.row_to_json(whole)::text AS document
    FROM (SELECT {columns} FROM {schema}.{table}) whole
) rows WHERE text = ANY($1::text[])
"""


def _question(query: str, schema: str, table: str, columns: str) -> str:
    return query.format(schema=schema, table=table, columns=columns)


async def _digests(connection: Connection, question: str) -> dict[int, bytes]:
    return {row["number"]: row["digest"] for row in await connection.fetch(question)}


async def _compared(live: Connection, other: Connection, schema: str, shape: TableShape) -> Difference | None:
    table, columns, asked = shape.quoted, shape.compared, [(live, schema), (other, TEMPORARY)]
    one, two = await both(
        _digests(live, _question(_GROUPS, schema, table, columns)),
        _digests(other, _question(_GROUPS, TEMPORARY, table, columns)),
    )
    differing = [number for number in one.keys() | two.keys() if one.get(number) != two.get(number)]
    if not differing:
        return None
    found = Difference(f"{schema}.{table}")
    unknown, missing = list[str](), list[str]()
    for first in range(0, len(differing), GROUPS_AT_ONCE):
        groups = differing[first : first + GROUPS_AT_ONCE]
        there, right = [
            Counter(
                {
                    row["text"]: int(row["times"])
                    for row in await connection.fetch(_question(_ROWS, name, table, columns), groups)
                }
            )
            for connection, name in asked
        ]
        found.unknown += (there - right).total()
        found.missing += (right - there).total()
        unknown = [*unknown, *(there - right)][:NAMED]
        missing = [*missing, *(right - there)][:COMPARED]
    pairs = _pairs(unknown, missing)
    documents: list[dict[str, dict[str, Any]]] = []
    for side, (connection, name) in enumerate(asked):
        texts = [pair[side] for pair in pairs if pair[side]]
        rows = await connection.fetch(_question(_DOCUMENTS, name, table, columns), texts)
        documents.append({row["text"]: orjson.loads(row["document"]) for row in rows})
    for has, wants in pairs:
        found.examples += _example(documents[0].get(has), documents[1].get(wants))
    return found


def _pairs(unknown: list[str], missing: list[str]) -> list[tuple[str, str]]:
    """Pairs of rows as text: each unknown row with the most similar missing row; "" on a side without a row."""
    pairs = []
    for text in unknown:
        # commonprefix on texts that are not paths: rows are similar if they begin alike.
        near = max(missing, key=lambda each: len(commonprefix((text, each))), default="")  # noqa: RUF071  # see above
        pairs.append((text, near))
        missing = [each for each in missing if each != near]
    return pairs + [("", text) for text in missing[: NAMED - len(pairs)]]


def _example(there: dict[str, Any] | None, right: dict[str, Any] | None) -> list[str]:
    """What is wrong with a row: the changed columns, or the whole row if it was added or removed."""
    if there is not None and right is not None:
        changed = [name for name, value in there.items() if value != right[name]]
        if len(changed) * 2 <= len(there):
            column, name = next(iter(there.items()))
            return [
                f"{column} {name}: {each} is {_shown(there[each])}, and the topics say {_shown(right[each])}"
                for each in changed
            ]
    return [
        *([f"not in the log: {_shown(there)}"] if there is not None else []),
        *([f"missing: {_shown(right)}"] if right is not None else []),
    ]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} and {len(text) - SHOWN} characters more"
