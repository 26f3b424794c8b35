"""How long a question waits for what its worker has put on record, on the tables of a real Postgres."""

from __future__ import annotations

import asyncio
import time

import pytest

from projections.log.entry import EVENTS
from projections.log.schema import AskedLog
from projections.progress import RecordExtent
from projections.registry import PROJECTIONS
from services.adapters.postgres import Pool, connect
from services.audit_api.own_writes import LONGEST, MOST_BEHIND, OwnWrites
from services.projector import store
from services.settings import Settings
from tests.keys import ROOT, process_keys
from tests.projections.test_projections import ENTRIES, REACHED

KEYS = process_keys(ROOT)
END = REACHED[EVENTS, 0]
AT_ONCE = LONGEST / 2


class AskedWorker:
    """What a worker knows to be on record, and its questions."""

    def __init__(self, pool: Pool) -> None:
        self.events = END
        self.own_writes = OwnWrites(AskedLog(pool), lambda: RecordExtent("worker", self.events))

    async def waits(self) -> float:
        began = time.perf_counter()
        await self.own_writes.read()
        return time.perf_counter() - began


@pytest.fixture
async def tables(pool: Pool) -> Pool:
    """The tables of every projection, which have read END records."""
    for each in PROJECTIONS.values():
        async with pool.acquire() as connection:
            await connection.execute(f"DROP SCHEMA IF EXISTS {each.schema} CASCADE")
            await store.prepare(connection, each, "log", KEYS)
            await store.take_in(connection, each, ENTRIES, store.ReadTo(dict(REACHED), "digest"), KEYS)
    return pool


async def projected(pool: Pool, events: int) -> None:
    for each in PROJECTIONS.values():
        await pool.execute(f"UPDATE {each.schema}.positions SET next = $1 WHERE topic = $2", events, EVENTS)


async def test_a_call_that_was_just_made_is_waited_for(tables: Pool) -> None:
    worker = AskedWorker(tables)
    worker.events = END + 1
    question = asyncio.create_task(worker.waits())
    await asyncio.sleep(0.1)  # the projector's delay
    assert not question.done()
    await projected(tables, END + 1)
    assert 0.1 <= await question < AT_ONCE


async def test_a_projection_that_is_made_anew_holds_up_nobody(tables: Pool) -> None:
    """Each question of the audit API took a second while one of the projections was made anew."""
    worker = AskedWorker(tables)
    worker.events = END + MOST_BEHIND + 1
    assert await worker.waits() < AT_ONCE


async def test_one_question_waits_for_a_projector_that_stands_still(tables: Pool) -> None:
    worker = AskedWorker(tables)
    worker.events = END + 1
    assert max(await asyncio.gather(*(worker.waits() for _ in range(64)))) < LONGEST + 0.2
    worker.events = END + 2
    assert max(await asyncio.gather(*(worker.waits() for _ in range(64)))) < AT_ONCE
    await projected(tables, END + 1)  # it works again, so a question waits again
    question = asyncio.create_task(worker.waits())
    await asyncio.sleep(0.1)
    assert not question.done()
    await projected(tables, END + 2)
    assert await question < AT_ONCE


async def test_postgres_is_not_asked_while_nothing_new_is_on_record(database: Settings, tables: Pool) -> None:
    await projected(tables, END)
    pool = await connect(database)
    worker = AskedWorker(pool)
    await worker.waits()
    await pool.close()
    await worker.waits()  # any query would raise
