"""Attempts at a secret that can be guessed: so many at once, one more after a while, and all again after the right one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from services.adapters.attempts import Attempts, TooManyAttempts
from tests.contracts.adapters import ATTEMPTS
from tests.installation import Installation

OpenAttempts = Callable[[int, float], Attempts]


@pytest.fixture(params=ATTEMPTS)
async def opened(request: pytest.FixtureRequest, installation: Installation) -> AsyncIterator[OpenAttempts]:
    of: type[Attempts] = ATTEMPTS[request.param]
    async with installation.connected() as pool:
        await of.prepare(pool)
        await of.prepare(pool)  # every worker does it at its start

        def attempts(burst: int, seconds: float) -> Attempts:
            return of(pool, burst, seconds)

        yield attempts


async def allowed(attempts: Attempts, subject: str) -> bool:
    try:
        await attempts.take(subject)
    except TooManyAttempts:
        return False
    return True


async def test_so_many_are_allowed_at_once_also_side_by_side(opened: OpenAttempts) -> None:
    subject = uuid4().hex
    workers = [opened(5, 3600.0), opened(5, 3600.0)]
    taken = await asyncio.gather(*(allowed(workers[number % 2], subject) for number in range(40)))
    assert sum(taken) == 5


async def test_a_subject_takes_nothing_from_another(opened: OpenAttempts) -> None:
    attempts, one, other = opened(1, 3600.0), uuid4().hex, uuid4().hex
    assert [await allowed(attempts, one), await allowed(attempts, one), await allowed(attempts, other)] == [
        True,
        False,
        True,
    ]


async def test_one_more_comes_after_a_while_and_a_refused_one_does_not_delay_it(opened: OpenAttempts) -> None:
    attempts, subject = opened(1, 0.2), uuid4().hex
    assert await allowed(attempts, subject)
    assert not await allowed(attempts, subject)
    await asyncio.sleep(0.25)  # the database's clock runs
    assert await allowed(attempts, subject)


async def test_a_clock_that_is_set_back_keeps_nobody_out(opened: OpenAttempts) -> None:
    """Postgres's clock was an hour ahead when an attempt was made. Nobody at that address could sign in for an hour."""
    attempts, subject = opened(1, 3600.0), uuid4().hex
    assert await allowed(attempts, subject)
    ahead = "UPDATE attempts.buckets SET at = at + interval '1 hour' WHERE subject = $1"
    await attempts.pool.execute(ahead, subject)
    assert [await allowed(attempts, subject), await allowed(attempts, subject)] == [True, False]


async def test_the_right_secret_gives_all_back(opened: OpenAttempts) -> None:
    attempts, subject = opened(2, 3600.0), uuid4().hex
    assert [await allowed(attempts, subject) for _ in range(3)] == [True, True, False]
    await attempts.forget(subject)
    assert [await allowed(attempts, subject) for _ in range(3)] == [True, True, False]
