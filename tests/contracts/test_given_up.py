"""Which messages a notifier gives up, with a real receiver and its rows in a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from domain.durations import DAY_SECONDS
from services.adapters.postgres import Pool
from services.notifier import message_attempts, worker
from services.notifier.delivery import sender_of
from services.notifier.message_attempts import FIRST_WAIT
from services.notifier.progress import NotifierProgress
from tests.contracts.test_notifier_locks import until
from tests.faults.test_alerts import SECRET, receivers
from tests.installation import Installation
from tests.telling import LOG, Telling


@pytest.fixture
async def telling(installation: Installation) -> AsyncIterator[Telling]:
    """A notifier with three messages that have waited for two days, while it was off."""
    async with installation.connected() as pool:
        found = await Telling(pool).begun()
        for number in range(3):
            await found.raise_alert(f"a{number}")
        await found.gather(later=-2 * DAY_SECONDS)
        found.start()
        yield found
        await found.end()


@pytest.fixture
async def recent(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Telling]:
    """A notifier with four messages that were just written. It tries one for a second before it looks at those behind it."""
    monkeypatch.setattr(message_attempts, "SURELY_TRIED", 1.0)
    async with installation.connected() as pool:
        found = await Telling(pool).begun()
        for number in range(4):
            await found.raise_alert(f"a{number}")
        await found.gather()
        yield found
        await found.end()


@asynccontextmanager
async def delivering(telling: Telling, url: str, give_up_after: int) -> AsyncIterator[None]:
    notifier = replace(telling.notifier, url=url, signing_key=SECRET.encode(), give_up_after=give_up_after)
    sender, progress = sender_of(notifier, LOG), NotifierProgress(telling.name)
    task = asyncio.create_task(worker._deliver(telling.ledger, notifier, sender, progress))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sender.close()


async def dead(pool: Pool, name: str) -> list[Any]:
    return await pool.fetch("SELECT number, attempts, at FROM notifying.dead WHERE notifier = $1 ORDER BY number", name)


async def test_a_notifier_that_was_off_for_two_days_still_sends_what_waited(telling: Telling) -> None:
    """Its receiver was not there yet when the machines started again, and all messages became dead letters."""
    with receivers("siem") as told:
        siem = told["siem"]
        siem.status = 503

        async def tried() -> bool:
            return len(siem.tried) >= 2 or bool(await dead(telling.pool, telling.name))

        async def taken() -> bool:
            return len(siem.taken) == 3

        async with delivering(telling, siem.url, DAY_SECONDS):
            await until(tried)
            siem.status = 200
            await until(taken)
        assert await dead(telling.pool, telling.name) == []
        assert siem.ids == ["a0", "a1", "a2"]


async def test_each_message_is_tried_for_as_long_before_it_is_given_up(telling: Telling) -> None:
    with receivers("siem") as told:
        told["siem"].status = 503

        async def all_dead() -> bool:
            return len(await dead(telling.pool, telling.name)) == 3

        async with delivering(telling, told["siem"].url, 1):
            await until(all_dead)
        found = await dead(telling.pool, telling.name)
        assert [each["attempts"] >= 2 for each in found] == [True] * 3


async def test_there_is_a_pause_after_each_message_that_is_refused(telling: Telling) -> None:
    """A proxy in front of the receiver that answers 422 for some seconds refused the whole outbox."""
    with receivers("siem") as told:
        told["siem"].status = 422

        async def all_dead() -> bool:
            return len(await dead(telling.pool, telling.name)) == 3

        async with delivering(telling, told["siem"].url, DAY_SECONDS):
            await until(all_dead)
        found = await dead(telling.pool, telling.name)
        least = timedelta(seconds=0.75 * FIRST_WAIT)
        assert [later["at"] - earlier["at"] >= least for earlier, later in pairwise(found)] == [True, True]


async def test_a_message_that_alone_is_refused_is_set_aside(recent: Telling) -> None:
    """A firewall before the receiver answered 403 to some text: all later messages waited for a day. Nor does it help that the
    message behind is refused likewise."""
    with receivers("siem") as told:
        siem = told["siem"]
        siem.disliked = {"a0", "a1"}

        async def gone() -> bool:
            return [each["number"] for each in await dead(recent.pool, recent.name)] == [0, 1]

        async def others_taken() -> bool:
            return len(siem.taken) == 2

        async with delivering(recent, siem.url, DAY_SECONDS):
            await until(others_taken)
            await until(gone)
        assert siem.ids == ["a2", "a3"]


async def test_a_message_is_not_set_aside_if_the_receiver_comes_back_for_the_one_behind_it(recent: Telling) -> None:
    """The receiver was away, and came back just when another message was tried."""
    with receivers("siem") as told:
        siem = told["siem"]
        siem.status = 503

        async def next_is_another() -> bool:
            return len(set(siem.tried)) > 1 and siem.tried[-1] == siem.tried[0]

        async def taken() -> bool:
            return len(siem.taken) == 4

        async with delivering(recent, siem.url, DAY_SECONDS):
            await until(next_is_another)
            siem.status = 200
            await until(taken)
        assert await dead(recent.pool, recent.name) == []
        assert siem.ids == ["a2", "a0", "a1", "a3"]


async def test_a_receiver_that_answers_400_to_everything_loses_nothing(recent: Telling) -> None:
    """Its clock or its secret was wrong, so that no signature was right: every alert became a dead letter at once."""
    with receivers("siem") as told:
        siem = told["siem"]
        siem.status = 400

        async def tried() -> bool:
            return len(siem.tried) >= 3

        async def taken() -> bool:
            return len(siem.taken) == 4

        async with delivering(recent, siem.url, DAY_SECONDS):
            await until(tried)
            siem.status = 200
            await until(taken)
        assert await dead(recent.pool, recent.name) == []
        assert sorted(siem.ids) == ["a0", "a1", "a2", "a3"]
