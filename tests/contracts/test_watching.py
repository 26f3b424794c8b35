"""Somebody keeps an alert worker from judging by a lock in Postgres: the operator hears of it all the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import pytest

from domain.alerts.engine.judge import Judge
from domain.alerts.settings import AlertSettings, RuleSettings
from services.adapters.alert_publisher import Publisher
from services.adapters.kafka import KafkaTopic
from services.adapters.postgres import Pool
from services.adapters.topics import names
from services.alert_worker import unjudged
from services.alert_worker.books import Books, RowsChanged
from services.alert_worker.followed import KafkaTopics
from services.alert_worker.lag import LagWatch, Overdue
from services.alert_worker.positions import JudgedUpTo
from services.cli.client import Client
from services.metrics import ALERTS_AT
from services.runtime.processes import LONGEST_UNPROVED, pause_after_proof
from services.settings import Settings
from tests.contracts.test_counting import holding, some
from tests.installation import Installation


class Told:
    """The alerts topic from now on."""

    def __init__(self, settings: Settings) -> None:
        self._topic = KafkaTopic(settings, names(settings).alerts)
        self._next = -1

    async def begun(self) -> Told:
        self._next = await self._topic.end()
        return self

    async def summaries(self) -> list[str]:
        """Alerts that report a lag, raised since the last look."""
        reader, found = await self._topic.reader(self._next), []
        end = await self._topic.end()
        while self._next < end:
            for each in await reader.read(100):
                self._next = each.offset + 1
                document = orjson.loads(each.value)
                if document["rule"] == "alerts-behind":
                    found.append(document["summary"])
        await reader.close()
        return found

    async def close(self) -> None:
        await self._topic.close()


async def nothing(_: Sequence[Any]) -> None:
    """The worker does not read on: the database belongs to other topics."""


@pytest.fixture
async def told(installation: Installation) -> AsyncIterator[Told]:
    found = await Told(installation.settings).begun()
    yield found
    await found.close()


@pytest.fixture
async def watch(installation: Installation, pool: Pool, books: Books) -> AsyncIterator[LagWatch]:
    log = Client(installation.data).get("/v1/status")["log"]
    judge = Judge(log, AlertSettings({"alerts-behind": RuleSettings(numbers={"seconds": 0})}))
    publisher = Publisher(installation.settings, books.keys)
    topics = KafkaTopics(installation.settings)
    yield LagWatch(topics, pool, books, lambda: judge, publisher, nothing, Overdue(read=0.5))
    await topics.close()
    await publisher.close()


async def policies(pool: Pool, books: Books) -> None:
    """Two policies that wait to be judged to the end."""
    async with holding(pool, books, ("events", 0)) as held:
        for position in (7, 8):
            await unjudged.put_off(held, "111122223333", {"position": position})


@asynccontextmanager
async def locking(database: Settings, statement: str) -> AsyncIterator[None]:
    """Somebody else begins a transaction and keeps it open."""
    stranger = await asyncpg.connect(database.postgres)
    try:
        async with stranger.transaction():
            await stranger.execute(statement)
            yield
    finally:
        await stranger.close()


@pytest.mark.parametrize("table", ["positions", "unjudged"])
async def test_a_lock_on_the_asked_table_is_reported(
    database: Settings, watch: LagWatch, told: Told, table: str
) -> None:
    """No record was judged and no alert came: the watch asked the same table, and waited too."""
    async with locking(database, f"LOCK TABLE alerting.{table} IN ACCESS EXCLUSIVE MODE"):
        await watch.look()
    assert [each for each in await told.summaries() if "Postgres has not said" in each]


async def test_a_look_that_learns_nothing_is_not_shown_as_one(database: Settings, watch: LagWatch) -> None:
    """The lag stood still at zero for as long as Postgres said nothing, and no alarm of Prometheus went off."""
    before = time.time()
    await watch.look()
    (at,) = (each.value for family in ALERTS_AT.collect() for each in family.samples)
    assert before <= at <= time.time()
    async with locking(database, "LOCK TABLE alerting.positions IN ACCESS EXCLUSIVE MODE"):
        await watch.look()
    assert [each.value for family in ALERTS_AT.collect() for each in family.samples] == [at]


async def test_a_policy_that_cannot_be_judged_is_reported(
    database: Settings, pool: Pool, books: Books, watch: LagWatch, told: Told
) -> None:
    """A row that somebody holds is skipped, without a message."""
    watch.overdue = replace(watch.overdue, policy=0.0)
    await policies(pool, books)
    held = "SELECT FROM alerting.unjudged WHERE position = 7 FOR UPDATE"
    async with locking(database, held), pool.acquire() as connection, connection.transaction():
        row = await unjudged.oldest_unjudged(connection, books, [])
        assert row is not None
        assert row[1] == 8, "the first one is passed over"
        await watch.look()
    assert "the policy at @7 has waited 0 s for being judged to the end" in await told.summaries()
    await watch.look()
    assert not [each for each in await told.summaries() if "policy" in each], "once an hour"


async def test_a_policy_that_is_replaced_at_once_is_not_reported(
    pool: Pool, books: Books, watch: LagWatch, told: Told
) -> None:
    await policies(pool, books)
    await watch.look()
    async with pool.acquire() as connection, connection.transaction():
        await unjudged.judged(connection, books, 7)
    watch.overdue = replace(watch.overdue, policy=0.0)
    async with pool.acquire() as connection, connection.transaction():
        await unjudged.judged(connection, books, 8)
    await watch.look()
    assert not [each for each in await told.summaries() if "policy" in each]


async def test_decisions_that_end_before_the_judged_position_are_reported(
    pool: Pool, books: Books, watch: LagWatch
) -> None:
    """By these numbers nothing is late, and new records up to there would count as judged. A single look may have reached
    a broker that is behind."""
    async with holding(pool, books, ("decisions", 0)) as held:
        held.reached = JudgedUpTo(1_000_000)
    await watch.look()
    with pytest.raises(RowsChanged, match="ends before"):
        await watch.look()


async def test_a_check_that_does_not_end_is_reported(database: Settings, watch: LagWatch, told: Told) -> None:
    """A lock on one table that is read last: the sums are never compared, and everything else goes on."""
    await watch.prove()
    watch.overdue = replace(watch.overdue, proof=0.0)
    async with locking(database, "LOCK TABLE alerting.unjudged IN ACCESS EXCLUSIVE MODE"):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watch.prove(), 0.5)
    await watch.look()
    assert [each for each in await told.summaries() if "was not proved" in each]
    watch.overdue = replace(watch.overdue, proof=600.0)
    await watch.prove()
    await watch.look()
    assert not [each for each in await told.summaries() if "was not proved" in each]


async def test_a_lock_that_anybody_may_hold_stops_no_proof(
    database: Settings, pool: Pool, books: Books, watch: LagWatch
) -> None:
    """With one `pg_advisory_lock`, counts could be removed for as long as it was held."""
    await some(pool, books)
    await watch.prove()
    await pool.execute("DELETE FROM alerting.windows")
    async with locking(
        database, f"SELECT pg_advisory_lock({0x6B657963})"
    ):  # the former lock of the worker that checked
        with pytest.raises(RowsChanged):
            await watch.prove()


def test_a_proof_that_waits_puts_the_next_one_off_by_minutes_at_most() -> None:
    """Five locks of 55 seconds bought nearly four hours."""
    assert 45 <= pause_after_proof(0.0) <= 60
    assert 75 <= pause_after_proof(2.0) <= 100
    assert 225 <= pause_after_proof(275.0) <= LONGEST_UNPROVED == 300
