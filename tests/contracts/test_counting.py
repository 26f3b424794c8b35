"""Counts in Postgres while the stream is followed: a failed transaction has counted nothing, two workers count like
one, and rows that somebody else wrote, removed or rolled back are not believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.alerts.engine.judge import Candidate, Judge, Pair
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rules.table import RULES
from domain.alerts.settings import AlertSettings, RuleSettings
from services.adapters import skips
from services.adapters.alert_publisher import Publisher
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.alert_worker import counts, positions, proof, takeover, unjudged
from services.alert_worker.books import Books, JudgedElsewhere, LogPartition, RowsChanged
from services.alert_worker.counts import Counts, WindowName
from services.alert_worker.key_ages import Ages
from services.alert_worker.positions import JudgedUpTo, LockedPosition
from services.alert_worker.tally import PartitionTally, SourcedCandidate
from services.cli.client import Client
from tests.contracts.conftest import MemoryMarks
from tests.faults.test_alerts import on_topic
from tests.given import key_id
from tests.installation import Installation
from tests.keys import process_keys
from tests.logs import Log, created
from tests.memory_log import MemoryTopic

NOW = 1_800_000_000_000_000
START = NOW // 1_000_000
DENIED, FIRST = RULES["denied-burst"], RULES["first-use"]
ALICE, BOB = (f"arn:aws:iam::111122223333:user/{name}" for name in ("alice", "bob"))
KEY = f"arn:aws:kms:us-east-1:111122223333:key/{UUID(int=1)}"
ONE, OTHER = ("decisions", 0), ("decisions", 1)
NO_AGES = Ages(MemoryTopic(), process_keys(), lambda: None)
"""For tests that do not ask for the age of a key."""


def denied(subject: str, *, count: int = 1, threshold: int = 5, item: str = "", start: int = START) -> list[Candidate]:
    return [Candidate(DENIED, subject, start, 300, threshold, item, None, None)] * count


def used(principal: str, key: str) -> Pair:
    return Pair(
        FIRST, principal, key, ObservedCall(NOW, "c", principal, "1" * 12, "AKIA", "Encrypt", (key,), "", ""), {}
    )


@asynccontextmanager
async def holding(pool: Pool, books: Books, part: LogPartition = ONE) -> AsyncIterator[LockedPosition]:
    async with pool.acquire() as connection, connection.transaction():
        held = await positions.locked(connection, books, part)
        yield held
        await held.move(replace(held.reached, next=held.reached.next + 1))
    books.committed(part, held.reached.next + 1)


async def count(
    pool: Pool,
    books: Books,
    found: Sequence[Candidate] = (),
    pairs: Sequence[Pair] = (),
    part: LogPartition = ONE,
) -> tuple[list[WindowName], list[Pair]]:
    """As a worker that remembers nothing."""
    async with holding(pool, books, part) as held:
        known = Counts()
        return await known.add(held, found), await known.new(held, pairs)


async def some(pool: Pool, books: Books) -> None:
    """Some of everything that is stored."""
    await count(pool, books, denied("alice", count=3) + denied("bob", item="key-1"), [used("alice", "key-1")])
    await count(pool, books, denied("carol") + denied("alice"), part=OTHER)
    async with holding(pool, books, ("events", 0)) as held:
        for position in (7, 8):
            await unjudged.put_off(held, "111122223333", {"position": position})


async def checked(pool: Pool, books: Books) -> None:
    async with pool.acquire() as connection:
        await proof.check(connection, books)


def root_used(judge: Judge, account: str) -> list[SourcedCandidate]:
    """A call of an account's root, which is enough for an alert."""
    call = ObservedCall(NOW, "c", f"arn:aws:iam::{account}:root", account, "AKIA", "ListKeys", (), "", "127.0.0.1")
    return [(each, call.at, {}) for each in judge.candidates(call)]


async def test_a_key_that_a_table_makes_younger_is_as_old_as_the_log_says(
    installation: Installation, pool: Pool, books: Books
) -> None:
    """Otherwise the pair would count as known from then on, and nobody would hear of the first use."""
    log, user = Log(), f"arn:aws:iam::111122223333:user/{uuid4().hex}"
    log.answer(created(1, 1))
    fold = log.fold()
    key = fold.world.keys[key_id(1)]
    await pool.execute("CREATE SCHEMA IF NOT EXISTS p_keys")
    await pool.execute("CREATE TABLE IF NOT EXISTS p_keys.keys (arn text, created_at timestamptz)")
    await pool.execute("INSERT INTO p_keys.keys VALUES ($1, to_timestamp($2))", key.arn, START + 90 * 86_400)
    judge = Judge(Client(installation.data).get("/v1/status")["log"])
    publisher = Publisher(installation.settings, books.keys)
    ages = Ages(MemoryTopic(), process_keys(), lambda: fold)
    counter = PartitionTally(pool, books, lambda: judge, publisher, ages)
    pair = used(user, key.arn)
    pair.call.account, pair.call.at = "111122223333", key.created + 90 * 86_400 * 1_000_000
    async with counter.holding(ONE, 0) as held:
        await held.settle(JudgedUpTo(1), (), [pair])
    await publisher.close()
    told = [each for each in await asyncio.to_thread(on_topic, installation) if user in each["about"]]
    assert [(each["rule"], each["key"]) for each in told] == [("first-use", key.arn)]


async def test_what_was_rolled_back_is_counted_again_whatever_ended_beside_it(
    installation: Installation, pool: Pool, books: Books
) -> None:
    judge = Judge(Client(installation.data).get("/v1/status")["log"])
    publisher = Publisher(installation.settings, books.keys)
    events, decisions = (PartitionTally(pool, books, lambda: judge, publisher, NO_AGES) for _ in range(2))
    found = root_used(judge, uuid4().hex)
    with pytest.raises(RuntimeError, match="lost"):
        async with events.holding(ONE, 0) as held:
            await held.settle(JudgedUpTo(1), found)
            async with decisions.holding(OTHER, 0) as beside:
                await beside.settle(JudgedUpTo(1), root_used(judge, uuid4().hex))
            raise RuntimeError("the connection was lost")
    assert await positions.reached(pool) == {OTHER: JudgedUpTo(1)}
    asked = "SELECT count(*) FROM alerting.windows WHERE subject = $1"
    subject = found[0][0].subject
    assert await pool.fetchval(asked, subject) == 0
    async with events.holding(ONE, 0) as held:
        await held.settle(JudgedUpTo(1), found)
    assert await pool.fetchval(asked, subject) == 1
    await checked(pool, books)
    await publisher.close()


async def test_workers_that_count_at_the_same_time_count_as_one_does(pool: Pool, books: Books) -> None:
    """Each window is full once, each item and pair new once, and the sums of all partitions are the sum of all rows."""

    async def worker(partition: int) -> tuple[list[WindowName], list[Pair]]:
        crossed: list[WindowName] = []
        new: list[Pair] = []
        for turn in range(10):
            calls = denied("alice", count=2, threshold=45) + denied("bob", threshold=7, item=f"key-{turn}")
            windows, pairs = await count(pool, books, calls, [used("alice", f"key-{turn}")], ("decisions", partition))
            crossed += windows
            new += pairs
        return crossed, new

    found = await asyncio.gather(*(worker(partition) for partition in range(3)))
    assert sorted(name for crossed, _ in found for name in crossed) == [
        (DENIED.id, "alice", START),
        (DENIED.id, "bob", START),
    ]
    assert sorted(pair.key for _, new in found for pair in new) == [f"key-{turn}" for turn in range(10)]
    rows = await pool.fetch("SELECT subject, count FROM alerting.windows ORDER BY subject")
    assert [tuple(row) for row in rows] == [("alice", 60), ("bob", 10)]
    await checked(pool, books)


MOVES = {
    "a burst made small": "UPDATE alerting.windows SET count = -1000 WHERE subject = 'alice'",
    "a burst forgotten": "DELETE FROM alerting.windows WHERE subject = 'alice'",
    "another's count and its MAC": "UPDATE alerting.windows w SET count = o.count, mac = o.mac FROM alerting.windows o "
    "WHERE w.subject = 'carol' AND o.subject = 'alice'",
    "a window that is full already": "INSERT INTO alerting.windows SELECT rule, 'mallory', start, 1000000, mac "
    "FROM alerting.windows WHERE subject = 'alice'",
    "an item taken away": "DELETE FROM alerting.items",
    "an item counted before it came": "INSERT INTO alerting.items SELECT rule, subject, start, 'key-2', mac FROM alerting.items",
    "a pair taken away": "DELETE FROM alerting.pairs",
    "a pair known before it came": "INSERT INTO alerting.pairs SELECT 'mallory', key, mac FROM alerting.pairs",
    "a policy not judged to the end": "DELETE FROM alerting.unjudged WHERE position = 8",
    "a policy judged as another's": "UPDATE alerting.unjudged SET account = '444455556666' WHERE position = 8",
    "a sum of another time": "UPDATE alerting.positions SET total = '0:0:0' WHERE topic = 'events'",
    "a partition judged further": "UPDATE alerting.positions SET next = next + 2 WHERE topic = 'events'",
    "a partition's row and its MAC from another": "UPDATE alerting.positions p SET next = o.next, total = o.total, mac = o.mac "
    "FROM alerting.positions o WHERE p.partition = 0 AND o.partition = 1",
    "a partition's row taken away": "DELETE FROM alerting.positions WHERE topic = 'decisions' AND partition = 1",
    "all that was counted": "TRUNCATE alerting.windows, alerting.items, alerting.pairs, alerting.unjudged",
}


@pytest.mark.parametrize("move", MOVES)
async def test_a_tampered_row_shows_and_everything_is_judged_again(
    pool: Pool, books: Books, marks: MemoryMarks, move: str
) -> None:
    await some(pool, books)
    await checked(pool, books)
    await pool.execute(MOVES[move])
    with pytest.raises(RowsChanged):
        await checked(pool, books)
    await takeover.begin_anew(pool)
    await takeover.prepare(pool, books, marks)
    assert await positions.reached(pool) == {}
    assert [await pool.fetchval(f"SELECT count(*) FROM alerting.{table}") for table in ("windows", "pairs", "unjudged")] == [
        0, 0, 0,
    ]  # fmt: skip
    await some(pool, books)
    await checked(pool, books)


async def test_a_loss_that_was_accepted_is_accepted_until_everything_is_judged_anew_and_then_no_more(
    pool: Pool, books: Books, marks: MemoryMarks, keys: VaultKeyring
) -> None:
    """After a restore the same records can be lost again, and nobody has accepted that."""
    permit, others = skips.of_judging(books.log, "head"), (books.log, skips.of_leaves(books.log, "decisions", 0))
    for _ in range(2):  # twice is once
        await skips.permit(pool, keys, permit, 7, "ops on vault-1")
    for each in others:
        await skips.permit(pool, keys, each, 7)
    await takeover.prepare(pool, books, marks)  # a restart meanwhile
    await takeover.begin_anew(pool)
    assert await skips.given_by(pool, keys, permit, 7) == "ops on vault-1", (
        "a worker that is killed here needs it again"
    )
    await takeover.prepare(pool, books, marks)
    assert await skips.given_by(pool, keys, permit, 7) is None
    assert [await skips.permitted(pool, keys, each, 7) for each in others] == [True, True]


TABLES = {
    "windows": "subject = 'alice'",
    "positions": "topic = 'decisions' AND partition = 0",
    "unjudged": "position = 7",
}


@pytest.mark.parametrize("table", TABLES)
async def test_an_older_row_put_back_shows(pool: Pool, books: Books, table: str) -> None:
    """A row with a MAC that Keytrail made."""
    await some(pool, books)
    (old,) = await pool.fetch(f"SELECT * FROM alerting.{table} WHERE {TABLES[table]}")
    await count(pool, books, denied("alice"))
    async with pool.acquire() as connection, connection.transaction():
        await unjudged.judged(connection, books, 7)
    await checked(pool, books)
    await pool.execute(f"DELETE FROM alerting.{table} WHERE {TABLES[table]}")
    marks = ", ".join(f"${number}" for number in range(1, len(old) + 1))
    await pool.execute(f"INSERT INTO alerting.{table} VALUES ({marks})", *old)
    with pytest.raises(RowsChanged):
        await checked(pool, books)


Touch = Callable[[Pool, Books], Any]
TOUCHED: dict[str, tuple[str, Touch]] = {
    "a window": (MOVES["a burst made small"], lambda pool, books: count(pool, books, denied("alice"))),
    "a window that was not there": (
        MOVES["a window that is full already"],
        lambda pool, books: count(pool, books, denied("mallory")),
    ),
    "an item": (
        MOVES["an item counted before it came"],
        lambda pool, books: count(pool, books, denied("bob", item="key-2")),
    ),
    "a pair": (
        MOVES["a pair known before it came"],
        lambda pool, books: count(pool, books, (), [used("mallory", "key-1")]),
    ),
    "a position": (
        "UPDATE alerting.positions SET next = next + 2 WHERE topic = 'decisions'",
        lambda pool, books: count(pool, books),
    ),
}


@pytest.mark.parametrize("what", TOUCHED)
async def test_a_row_of_somebody_elses_is_not_counted_with(pool: Pool, books: Books, what: str) -> None:
    """They may remove it again before the next look at all rows."""
    await some(pool, books)
    statement, touch = TOUCHED[what]
    await pool.execute(statement)
    with pytest.raises(RowsChanged):
        await touch(pool, books)


async def test_a_forgotten_row_leaves_the_sum(pool: Pool, books: Books) -> None:
    for subject in range(5):
        await count(pool, books, denied(f"s{subject}", start=1) + denied(f"i{subject}", item="x", start=1))
    await some(pool, books)
    await counts.forget(pool, books, 2, at_once=2)
    assert await pool.fetchval("SELECT min(start) FROM alerting.windows") == START
    assert await pool.fetchval("SELECT min(start) FROM alerting.items") == START
    await checked(pool, books)


async def test_another_log_a_forged_position_and_an_earlier_version_are_judged_again(
    pool: Pool, books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    """And each is reported."""
    marks, another = MemoryMarks(), Books(books.keys, "another")
    await some(pool, books)
    capsys.readouterr()
    await takeover.prepare(pool, books, marks)
    assert capsys.readouterr().out == ""
    assert len(await positions.reached(pool)) == 3, "nothing was changed"
    await pool.execute(MOVES["a partition judged further"])
    await takeover.prepare(pool, books, marks)
    assert await positions.reached(pool) == {}
    assert "[error" in capsys.readouterr().out
    await some(pool, books)
    marks = MemoryMarks()
    await takeover.prepare(pool, another, marks)
    assert await positions.reached(pool) == {}
    assert "the log log was counted of" in capsys.readouterr().out
    for marked, said in ((MemoryMarks(), "[warning"), (marks, "[error")):
        await some(pool, another)
        await pool.execute("ALTER TABLE alerting.positions DROP COLUMN total")
        await takeover.prepare(pool, another, marked)
        assert await positions.reached(pool) == {}
        assert said in capsys.readouterr().out
    await some(pool, another)
    await checked(pool, another)


async def test_a_worker_forgets_tables_that_another_worker_emptied(pool: Pool, books: Books) -> None:
    known = Counts()
    for _ in range(2):
        async with holding(pool, books) as held:
            assert await known.new(held, [used("alice", "key-1")])
        known.committed()
        async with holding(pool, books) as held:
            assert not await known.new(held, [used("alice", "key-1")])
        await pool.execute("UPDATE alerting.origin SET log = 'x'")
        await takeover.prepare(pool, books, MemoryMarks())
        known.forget()


ROW_CHANGED = (
    "UPDATE alerting.positions SET next = 1 WHERE topic = 'decisions'",
    "UPDATE alerting.positions SET digest = 'x' WHERE topic = 'decisions'",
    "UPDATE alerting.positions SET total = (SELECT total FROM alerting.positions WHERE topic = 'events')",
    "UPDATE alerting.positions SET mac = (SELECT mac FROM alerting.positions WHERE topic = 'events')",
    "DELETE FROM alerting.positions WHERE topic = 'decisions'",
)


async def test_records_that_change_no_count_move_their_partition_on(
    installation: Installation, pool: Pool, books: Books
) -> None:
    of_any_age = AlertSettings({"first-use": RuleSettings(numbers={"age": 0})})
    judge = Judge(Client(installation.data).get("/v1/status")["log"], of_any_age)
    publisher = Publisher(installation.settings, books.keys)
    counter = PartitionTally(pool, books, lambda: judge, publisher, NO_AGES)
    found, pair = root_used(judge, uuid4().hex), used(ALICE, KEY)
    assert not await counter.passed(ONE, 0, JudgedUpTo(1), found, [pair]), "nothing is known of them yet"
    async with counter.holding(ONE, 0) as held:
        await held.settle(JudgedUpTo(1), found, [pair])
    assert not await counter.passed(ONE, 0, JudgedUpTo(2), found, [pair]), "it is judged up to another place"
    assert not await counter.passed(ONE, 1, JudgedUpTo(2), found, [used(BOB, KEY)]), "a pair that is new"
    async with counter.holding(ONE, 1) as held:
        await held.settle(JudgedUpTo(2))
    assert await counter.passed(ONE, 2, JudgedUpTo(3), found, [pair])
    assert await counter.passed(ONE, 3, JudgedUpTo(5), found, [pair])
    assert await positions.reached(pool) == {ONE: JudgedUpTo(5)}
    assert await positions.believed(pool, books, ONE) == JudgedUpTo(5)
    await checked(pool, books)
    await publisher.close()


@pytest.mark.parametrize("statement", ROW_CHANGED)
async def test_no_partition_moves_on_from_a_row_that_somebody_changed(
    installation: Installation, pool: Pool, books: Books, statement: str
) -> None:
    judge = Judge(Client(installation.data).get("/v1/status")["log"])
    publisher = Publisher(installation.settings, books.keys)
    counter = PartitionTally(pool, books, lambda: judge, publisher, NO_AGES)
    await count(pool, books, part=("events", 0))
    async with counter.holding(ONE, 0) as held:
        await held.settle(JudgedUpTo(3))
    await pool.execute(statement)
    assert not await counter.passed(ONE, 3, JudgedUpTo(4), [], [])
    with pytest.raises((RowsChanged, JudgedElsewhere)):
        async with counter.holding(ONE, 3):
            raise AssertionError("it was believed")
    await publisher.close()
