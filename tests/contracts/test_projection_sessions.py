"""What the projector relies on in its sessions with Postgres, kept by Postgres and by the tables of the simulation: each statement of
the projector does the same to rows in both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from domain.log.lane import Reached
from domain.state.world import World
from projections.log.entry import DECISIONS, EVENTS
from projections.registry import PROJECTIONS, Projection
from services.projector import store
from services.projector.store import ReadTo
from services.settings import Settings
from tests.contracts.adapters import SESSIONS
from tests.contracts.test_positions_of_others import BEFORE
from tests.projections.test_projections import ENTRIES, REACHED, read_to
from tests.simulation.projection_statements import SHAPES
from tests.simulation.projections_judged import OWN, rows_made

LANES = {("w", 1): Reached(7, "g", 0), ("w", 2): Reached(4, "d", 3)}
CALLS = PROJECTIONS["decisions"]
POLICIES = PROJECTIONS["policy_versions"]
LOCK = f"LOCK TABLE {CALLS.schema}.positions IN SHARE ROW EXCLUSIVE MODE"
Rows = Mapping[str, list[str]]


@pytest.fixture(params=SESSIONS)
async def sessions(request: pytest.FixtureRequest, database: Settings) -> AsyncIterator[Any]:
    """With empty tables of every projection."""
    async with SESSIONS[request.param](lambda: database) as found:
        async with found.acquire() as session:
            for each in PROJECTIONS.values():
                await store.prepare(session, each, "log", BEFORE, anew=True)
        yield found


def _plain(value: Any) -> Any:
    """Postgres keeps a jsonb with its members in an order of its own."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.dumps(json.loads(value), sort_keys=True)
    return list(value) if isinstance(value, tuple) else value


def _as_text(rows: Sequence[Sequence[Any]]) -> list[str]:
    return sorted(repr([_plain(each) for each in row]) for row in rows)


async def contents(sessions: Any, projection: Projection) -> Rows:
    return {
        name: _as_text([tuple(row) for row in await sessions.fetch(f"SELECT {', '.join(shape.columns)} FROM {name}")])
        for name, shape in SHAPES.items()
        if name.startswith(f"{projection.schema}.") and name.partition(".")[2] not in OWN
    }


def made(projection: Projection) -> Rows:
    entries = [each for each in ENTRIES if each.topic in projection.topics]
    rows = rows_made(projection.changes(entries, None if projection.restore is None else World()))
    return {
        name: _as_text([[row.get(column) for column in shape.columns] for row in rows[name.partition(".")[2]]])
        for name, shape in SHAPES.items()
        if name.startswith(f"{projection.schema}.") and name.partition(".")[2] not in OWN
    }


@pytest.mark.parametrize("projection", PROJECTIONS.values(), ids=PROJECTIONS.keys())
@pytest.mark.parametrize("at_once", [1, 7, len(ENTRIES)])
async def test_rows_are_those_of_one_pass_however_batches_fall(
    sessions: Any, projection: Projection, at_once: int
) -> None:
    """Each batch comes twice, and overlaps the one before, as after an answer that was lost. Half of the projectors begin anew."""
    going: store.ProjectorMemory | None = None
    async with sessions.acquire() as session:
        for place in [*range(at_once, len(ENTRIES), at_once), len(ENTRIES)]:
            part = ENTRIES[max(0, place - at_once - 2) : place]
            for _ in range(2):
                await store.take_in(session, projection, part, read_to(place), BEFORE, None, going)
            going = store.ProjectorMemory() if going is None else None
    assert await contents(sessions, projection) == made(projection)


async def test_what_was_read_is_kept_and_never_goes_back(sessions: Any) -> None:
    async with sessions.acquire() as session:
        await store.take_in(session, CALLS, ENTRIES, ReadTo(dict(REACHED), "digest", lanes=LANES), BEFORE)
        older = {("w", 1): Reached(6, "f", 0), ("w", 2): Reached(5, "e", 3)}
        more = ReadTo({(DECISIONS, 0): 9, (EVENTS, 0): 1}, "older", lanes=older, anchored={("w", 1): 3})
        await store.take_in(session, CALLS, [], more, BEFORE)
        less = ReadTo({}, lanes={}, anchored={("w", 1): 2})
        await store.take_in(session, CALLS, [], less, BEFORE)
        async with session.transaction(isolation="repeatable_read"):
            found = await store.reached(session, CALLS, BEFORE, ())
    kept = {where: after for where, after in REACHED.items() if where[0] in CALLS.topics} | {(DECISIONS, 0): 9}
    assert (found.offsets, found.digest) == (kept, "digest")
    assert found.lanes == {("w", 1): Reached(7, "g", 0), ("w", 2): Reached(5, "e", 3)}
    assert found.anchored == {("w", 1): 3}


async def test_a_row_that_is_there_already_leaves_nothing_of_the_batch(sessions: Any) -> None:
    async with sessions.acquire() as session:
        await store.take_in(session, POLICIES, ENTRIES, ReadTo(dict(REACHED), "digest"), BEFORE)
        before = await contents(sessions, POLICIES)
        name = f"{POLICIES.schema}.policy_versions"
        row = tuple(await session.fetchrow(f"SELECT {', '.join(SHAPES[name].columns)} FROM {name}"))
        with pytest.raises(asyncpg.UniqueViolationError):
            await session.copy_records_to_table(
                "policy_versions", schema_name=POLICIES.schema, columns=SHAPES[name].columns, records=[row]
            )
        again = [each for each in ENTRIES if each.topic == EVENTS]
        for each in again:
            each.offset += 1000
        try:
            to = ReadTo({(EVENTS, 0): 2000}, "last", since="digest")
            with pytest.raises(store.ProjectionChanged):
                await store.take_in(session, POLICIES, again, to, BEFORE)
        finally:
            for each in again:
                each.offset -= 1000
        assert await contents(sessions, POLICIES) == before
        assert (await store.positions(session, POLICIES.schema))[EVENTS, 0] == REACHED[EVENTS, 0]


async def test_a_second_projector_waits_for_the_batch_of_the_first_and_readers_do_not(sessions: Any) -> None:
    to = ReadTo(dict(REACHED), "digest")

    async def second() -> None:
        async with sessions.acquire() as session:
            await store.take_in(session, CALLS, ENTRIES, to, BEFORE)

    async with sessions.acquire() as session, session.transaction():
        await session.execute(LOCK)
        waiting = asyncio.create_task(second())
        done, _ = await asyncio.wait({waiting}, timeout=0.5)
        assert not done
        async with sessions.acquire() as reader:
            assert await store.positions(reader, CALLS.schema) == {}
    await waiting
    assert await contents(sessions, CALLS) == made(CALLS)


async def test_nothing_is_seen_of_a_batch_before_its_end_nor_of_one_that_fails(sessions: Any) -> None:
    async with sessions.acquire() as session:
        with pytest.raises(ZeroDivisionError):
            async with session.transaction():
                await store.take_in(session, CALLS, ENTRIES, ReadTo(dict(REACHED), "digest"), BEFORE)
                async with sessions.acquire() as reader:
                    assert await store.positions(reader, CALLS.schema) == {}
                raise ZeroDivisionError
        assert await store.positions(session, CALLS.schema) == {}
    assert not any((await contents(sessions, CALLS)).values())


async def test_tables_of_another_log_are_thrown_away_and_those_of_this_one_kept(sessions: Any) -> None:
    async with sessions.acquire() as session:
        await store.take_in(session, CALLS, ENTRIES, ReadTo(dict(REACHED), "digest"), BEFORE)
        await store.prepare(session, CALLS, "log", BEFORE)
        assert await contents(sessions, CALLS) == made(CALLS)
        await store.prepare(session, CALLS, "another", BEFORE)
        assert not any((await contents(sessions, CALLS)).values())
        assert await store.positions(session, CALLS.schema) == {}
