"""What stands in the place of Postgres for simulated alert workers keeps the promises that their code relies on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from services.alert_worker.positions import _LOCKED, _MOVE, POSITIONS
from tests.simulation.alert_statements import alert_tables
from tests.simulation.sessions import SimulatedPool, SimulatedSession
from tests.simulation.tables import SimulatedTables
from tests.simulation.virtual import Process, VirtualLoop, run, virtual_machine

PART = ("decisions", 1)
FIRST, SECOND = ("decisions", 1, 0, "", None, "", ""), ("decisions", 1, 5, "digest", None, "total", "mac")


def simulated(story: Callable[[VirtualLoop, SimulatedTables], Awaitable[Any]]) -> Any:
    loop = VirtualLoop()
    with virtual_machine(loop, 0):
        found = run(loop, story(loop, alert_tables(Random(0), [])), 1000.0)
        assert loop.faults == []
        loop.abandon()
    return found


async def made(tables: SimulatedTables) -> SimulatedPool:
    pool = SimulatedPool(tables, None)
    await pool.execute("INSERT INTO alerting.positions VALUES ($1, $2, $3, $4, $5, $6, $7)", *FIRST)
    return pool


async def move(session: SimulatedSession) -> None:
    await session.fetchrow(_LOCKED, *PART)
    await session.execute(_MOVE, *SECOND)


def test_others_see_nothing_of_a_transaction_before_its_end_and_all_of_it_afterwards() -> None:
    async def story(loop: VirtualLoop, tables: SimulatedTables) -> list[list[tuple[Any, ...]]]:
        pool, seen = await made(tables), []
        async with pool.acquire() as session, session.transaction():
            await move(session)
            seen.append([tuple(row) for row in await session.fetch(POSITIONS)])
            seen.append([tuple(row) for row in await pool.fetch(POSITIONS)])
        seen.append([tuple(row) for row in await pool.fetch(POSITIONS)])
        return seen

    assert simulated(story) == [[SECOND], [FIRST], [SECOND]]


def test_a_transaction_that_fails_never_was() -> None:
    async def story(loop: VirtualLoop, tables: SimulatedTables) -> list[tuple[Any, ...]]:
        pool = await made(tables)
        with pytest.raises(ConnectionResetError):
            async with pool.acquire() as session, session.transaction():
                await move(session)
                tables.away = True
        tables.away = False
        return [tuple(row) for row in await pool.fetch(POSITIONS)]

    assert simulated(story) == [FIRST]


@pytest.mark.parametrize(("died_after", "expected"), [(0.0, FIRST), (1.0, SECOND)])
def test_a_row_stays_locked_until_the_transaction_ends_or_its_process_does(
    died_after: float, expected: tuple[Any, ...]
) -> None:
    async def story(loop: VirtualLoop, tables: SimulatedTables) -> tuple[float, tuple[Any, ...]]:
        await made(tables)
        process = Process("alerts-1", loop)

        async def hold() -> None:
            async with SimulatedPool(tables, process).acquire() as session, session.transaction():
                await move(session)
                await asyncio.sleep(10 - died_after)

        process.start(hold())
        await asyncio.sleep(9)
        loop.call_later(died_after + 0.5, process.kill, "SIGKILL")
        async with SimulatedPool(tables, None).acquire() as session, session.transaction():
            row = await session.fetchrow(_LOCKED, *PART)
            return round(loop.now), tuple(row or ())

    assert simulated(story) == (9 if died_after else 10, expected)


def test_a_commit_whose_answer_is_lost_is_done() -> None:
    async def story(loop: VirtualLoop, tables: SimulatedTables) -> list[tuple[Any, ...]]:
        pool = await made(tables)
        tables.unanswered = 1.0
        with pytest.raises(ConnectionResetError):
            async with pool.acquire() as session, session.transaction():
                await move(session)
        tables.unanswered = 0.0
        return [tuple(row) for row in await pool.fetch(POSITIONS)]

    assert simulated(story) == [SECOND]
