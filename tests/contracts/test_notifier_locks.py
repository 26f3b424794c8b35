"""Somebody holds a lock in Postgres for as long as they like. No lock on a table and no advisory lock stops alerts from
being sent without an error in the log, and that error does not wait for the lock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.adapters.postgres import Pool
from services.notifier import progress as watching
from services.notifier import worker
from services.notifier.outbox import Waiting
from services.notifier.progress import STUCK, UNPROVED, NotifierProgress, ProgressWatch, StandBy
from services.notifier.raised_alerts import digest_of
from services.runtime.processes import alone
from tests.installation import Installation
from tests.telling import Telling


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Delivered:
    """A receiver that accepts everything."""

    def __init__(self) -> None:
        self.alerts: list[str] = []

    async def send(self, waiting: Waiting) -> None:
        self.alerts += waiting.message["alerts"]

    async def close(self) -> None:
        pass


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        yield found


@asynccontextmanager
async def locked(installation: Installation, table: str) -> AsyncIterator[None]:
    async with installation.connected() as stranger, stranger.acquire() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110  # what Postgres and a process hold has no event
            await asyncio.sleep(0.02)


async def test_a_lock_on_the_projection_of_alerts_stops_no_notification(installation: Installation, pool: Pool) -> None:
    """The notifier asked that table which alerts were raised before, and waited."""
    telling = await Telling(pool, patience=0.5).begun()
    await telling.raise_alert("one")
    async with locked(installation, "p_alerts.alerts"), asyncio.timeout(20):
        assert [ids for _, ids, _ in await telling.told()] == [["one"]]
    await telling.end()


async def test_a_notifier_that_waits_for_a_lock_is_an_error(
    installation: Installation, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Waiting messages caused one warning a minute, or nothing."""
    telling, clock = await Telling(pool).begun(), Clock()
    progress = NotifierProgress(telling.name, clock)
    watch = ProgressWatch(telling.topic, [progress], clock)
    ledger, notifier, topic = telling.ledger, telling.notifier, telling.topic
    works = [
        worker._gather(ledger, topic, telling._alerts, telling._earlier, notifier, progress),
        worker._deliver(ledger, notifier, Delivered(), progress),
        worker._prove(ledger, notifier, progress),
    ]
    tasks = [asyncio.create_task(work) for work in works]

    async def told() -> bool:
        return progress.next_offset == len(topic.values) and await ledger.head() is None

    async def waits() -> bool:
        asked = "SELECT count(*) FROM pg_locks WHERE relation = 'notifying.cursors'::regclass AND NOT granted"
        return bool(await pool.fetchval(asked))

    await telling.raise_alert("one")
    await until(told)
    await watch.look()
    assert "[error" not in capsys.readouterr().out
    async with locked(installation, "notifying.cursors"):
        await telling.raise_alert("two")
        await until(waits)
        clock.now += STUCK + 1
        await watch.look()
        said = capsys.readouterr().out
        assert "[error" in said
        assert telling.name in said
        assert "it takes in no alerts" in said
        assert "it does not learn which message is next" in said
        assert "not proved" not in said
        await watch.look()
        assert "[error" not in capsys.readouterr().out, "once a minute"
        clock.now += UNPROVED
        await watch.look()
        assert "what it holds is not proved" in capsys.readouterr().out
    await until(told)
    clock.now += 1
    assert progress.faults(len(topic.values)) == ["what it holds is not proved"]
    await ledger.prove()
    progress.proved()
    await watch.look()
    assert "[error" not in capsys.readouterr().out
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await telling.end()


async def test_a_notifier_that_stands_by_looks_whether_another_one_is_at_work(pool: Pool) -> None:
    """Somebody who took its lock first kept it waiting for ever. The only message was that another notifier is at
    work."""
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()

    async with pool.acquire() as stranger, pool.acquire() as ours:
        await stranger.execute("SELECT pg_advisory_lock(4711)")
        waiting = asyncio.create_task(alone(Lasting(ours), 4711, "notifier", look))  # type: ignore[arg-type]  # all it asks
        async with asyncio.timeout(10):
            await looked.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await stranger.execute("SELECT pg_advisory_unlock(4711)")


class Lasting:
    """A pool of one connection, whose end does not end this process."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def acquire(self) -> Lasting:
        return self

    def add_termination_listener(self, listener: Any) -> None:
        pass

    async def fetchval(self, *asked: Any) -> Any:
        return await self._connection.fetchval(*asked)


class Kept:
    def __init__(self, at: datetime | None) -> None:
        self.at = at

    async def kept_at(self) -> datetime | None:
        return self.at


@pytest.mark.parametrize(
    ("ago", "minutes", "said"),
    [
        (timedelta(minutes=5), 600, False),  # at work, and checking
        (timedelta(minutes=16), 0, False),  # both have just begun
        (timedelta(minutes=16), 2, True),
        (timedelta(days=-365), 2, True),  # kept under a clock that was a year ahead, and by nobody since
        (timedelta(minutes=-5), 600, False),  # the other machine's clock is ahead
        (None, 2, False),  # a new notifier, or one of an earlier version
        (None, 16, True),
    ],
)
async def test_standing_by_for_nobody_is_an_error(
    ago: timedelta | None, minutes: int, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, now = Clock(), datetime.now(UTC)
    marks = [Kept(None if ago is None else now - ago), Kept(None)]
    standing_by = StandBy(marks, clock, lambda: now)
    await standing_by.look()
    clock.now += minutes * 60
    await standing_by.look()
    await standing_by.look()
    assert capsys.readouterr().out.count("[error") == said
    assert watching.SAY_EVERY == 60


async def test_a_notifier_that_stays_behind_its_topic_is_an_error() -> None:
    """Even one whose rows are not locked: its reading may have stopped."""
    clock = Clock()
    progress = NotifierProgress("siem", clock)
    progress.took_in(7)
    for _ in range(3):
        clock.now += STUCK
        progress.took_in(7)
        progress.asked()
        progress.proved()
        assert progress.faults(7) == []
    clock.now += STUCK - 1
    progress.took_in(7)
    progress.asked()
    assert progress.faults(9) == []
    clock.now += 2
    assert progress.faults(9) == ["it takes in no alerts"]
    assert progress.faults(None) == [], "Kafka is away, which others say"
    progress.took_in(8)
    assert progress.faults(9) == []
    assert progress.lag(9) == 1


@pytest.mark.parametrize("alerts", [2, 3, 5])
async def test_a_recreated_topic_is_sent_from_its_start(
    alerts: int, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who writes to Kafka removed the topic while no notifier ran. Once it had as many new alerts as were sent
    of the old one, the first of them were sent to nobody."""
    telling = await Telling(pool).begun()
    for number in range(3):
        await telling.raise_alert(f"before-{number}")
    assert len(await telling.told()) == 3
    await telling.ledger.prove()
    telling.topic.values.clear()
    telling.mark.proved = None  # a topic's marks go with it
    telling.start()
    for number in range(alerts):
        await telling.raise_alert(f"a{number}")
    assert await told_by_its_tasks(telling, alerts) == [f"a{number}" for number in range(alerts)]
    assert "[error" in capsys.readouterr().out
    telling.start()
    await telling.raise_alert("later")
    capsys.readouterr()
    assert await told_by_its_tasks(telling, 1) == ["later"]
    assert "[error" not in capsys.readouterr().out
    await telling.end()


async def test_a_cursor_of_before_there_were_digests_goes_on(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    telling = await Telling(pool).begun()
    await telling.raise_alert("before")
    await telling.surely(lambda: telling.ledger.take_in(0, 1, [], telling.now))  # as earlier versions did
    await pool.execute("ALTER TABLE notifying.cursors DROP COLUMN last")
    telling.start()
    await telling.raise_alert("since")
    assert [ids for _, ids, _ in await telling.told()] == [["since"]]
    assert await telling.ledger.last() == digest_of(telling.topic.values[-1])
    assert "[error" not in capsys.readouterr().out
    await telling.end()


async def told_by_its_tasks(telling: Telling, alerts: int) -> list[str]:
    """The alerts that a notifier's own tasks send, up to this many."""
    told = Delivered()
    progress = NotifierProgress(telling.name)
    ledger, notifier = telling.ledger, telling.notifier
    works = [
        worker._gather(ledger, telling.topic, telling._alerts, telling._earlier, notifier, progress),
        worker._deliver(ledger, notifier, told, progress),
    ]
    tasks = [asyncio.create_task(work) for work in works]

    async def all_told() -> bool:
        return len(told.alerts) >= alerts and await ledger.head() is None

    await until(all_told)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return told.alerts
