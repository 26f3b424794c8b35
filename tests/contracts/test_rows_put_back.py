"""All counts of alerts, rolled back: each row has a true MAC, and the sums fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.alerts.engine.judge import Judge
from domain.alerts.settings import AlertSettings, RuleSettings
from domain.log.authority import Authority
from domain.ports import Stored, Unavailable
from services.adapters.alert_publisher import Publisher
from services.adapters.kafka import KafkaReader
from services.adapters.postgres import Pool
from services.adapters.topic_bounds import ends
from services.adapters.topics import names
from services.alert_worker import positions, takeover
from services.alert_worker.books import Books, JudgedElsewhere, RowsChanged
from services.alert_worker.decisions import JudgedDecisions
from services.alert_worker.followed import KafkaTopics
from services.alert_worker.marks import KafkaMarks, Marked, Marking
from services.alert_worker.positions import JudgedUpTo
from services.alert_worker.tally import PartitionTally
from services.alert_worker.voids import Voids
from services.cli.client import Client
from tests.contracts.conftest import MemoryMarks
from tests.contracts.test_counting import NO_AGES, ONE, OTHER, checked, count, denied, some, used
from tests.installation import Installation

TABLES = ("origin", "positions", "windows", "items", "pairs", "unjudged")
Rows = dict[str, list[Any]]


async def taken(pool: Pool, *tables: str) -> Rows:
    return {table: await pool.fetch(f"SELECT * FROM alerting.{table}") for table in tables or TABLES}


async def put_back(pool: Pool, rows: Rows) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"TRUNCATE {', '.join(f'alerting.{table}' for table in rows)}")
        await put(connection, rows)


async def put(connection: Any, rows: Rows) -> None:
    for table, found in rows.items():
        for row in found:
            marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await connection.execute(f"INSERT INTO alerting.{table} VALUES ({marks})", *row)


NINE = [each for number in range(9) for each in denied("mallory", threshold=10, item=f"key-{number}")]


async def test_what_was_counted_cannot_be_made_uncounted_while_a_worker_lives(pool: Pool, books: Books) -> None:
    """First nine keys, one fewer than an alert needs. Then the attacker restored the earlier rows and added the nine
    beside them. When judged again, the keys were not new, so nothing was counted. Then the nine were removed, and all
    sums were right. Nine more, for ever."""
    await count(pool, books)
    before = await taken(pool)
    assert await count(pool, books, NINE) == ([], [])
    nine = await taken(pool, "items")
    await put_back(pool, before)
    async with pool.acquire() as connection:
        await put(connection, nine)
    with pytest.raises(RowsChanged, match="went back"):
        await count(pool, books, NINE)
    with pytest.raises(RowsChanged, match="went back"):
        await positions.standing(pool, books)
    await put_back(pool, before)
    with pytest.raises(RowsChanged, match="went back"):
        await checked(pool, books)
    await pool.execute("TRUNCATE alerting.positions, alerting.items, alerting.windows")
    with pytest.raises(RowsChanged, match="went back"):
        await checked(pool, books)


async def test_a_partition_that_another_worker_judged_does_not_go_back_either(pool: Pool, books: Books) -> None:
    """Each worker has seen how far the others were."""
    other = Books(books.keys, "log", books.era)
    await count(pool, books)
    before = await taken(pool)
    await count(pool, books, NINE)
    assert await positions.standing(pool, other) == {ONE: JudgedUpTo(2)}
    await put_back(pool, before)
    with pytest.raises(RowsChanged, match="went back"):
        await count(pool, other, NINE)


async def test_what_was_counted_cannot_be_made_uncounted_while_no_worker_lives(
    pool: Pool, books: Books, marks: MemoryMarks, capsys: pytest.CaptureFixture[str]
) -> None:
    await count(pool, books)
    before = await taken(pool)
    await count(pool, books, NINE)
    await Marking(books, marks).mark()
    await put_back(pool, before)
    capsys.readouterr()
    started = Books(books.keys, "log")
    await takeover.prepare(pool, started, marks)
    assert "[error" in capsys.readouterr().out
    assert await positions.reached(pool) == {}
    assert started.era > books.era


@pytest.mark.parametrize("removed", ["positions", "all"])
async def test_nor_by_taking_all_of_it_away(
    pool: Pool, books: Books, marks: MemoryMarks, removed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await some(pool, books)
    await Marking(books, marks).mark()
    await pool.execute("DROP SCHEMA alerting CASCADE" if removed == "all" else "TRUNCATE alerting.positions")
    capsys.readouterr()
    await takeover.prepare(pool, Books(books.keys, "log"), marks)
    assert "[error" in capsys.readouterr().out
    assert await positions.reached(pool) == {}


async def test_rows_of_an_era_that_is_over_count_in_no_other(pool: Pool, books: Books) -> None:
    """After tables are emptied, a worker judges everything again. An earlier row would be there before its record
    came."""
    await count(pool, books, NINE, [used("mallory", "key-1")])
    rows = await taken(pool, "items", "windows", "pairs")
    await takeover.begin_anew(pool)
    await takeover.prepare(pool, books, MemoryMarks())
    async with pool.acquire() as connection:
        await put(connection, rows)
    for found, pairs in ((NINE, []), ([], [used("mallory", "key-1")])):
        with pytest.raises(RowsChanged, match="not what Keytrail wrote"):
            await count(pool, books, found, pairs)


@pytest.mark.parametrize("lives", [True, False], ids=["while a worker lives", "while none lives"])
async def test_an_era_that_is_over_is_not_taken_over_again(
    pool: Pool, books: Books, marks: MemoryMarks, lives: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    await some(pool, books)
    before = await taken(pool)
    await takeover.begin_anew(pool)
    await takeover.prepare(pool, books, marks)
    await put_back(pool, before)
    if lives:
        with pytest.raises(RowsChanged, match="a time that is over"):
            await positions.standing(pool, books)
        with pytest.raises(RowsChanged, match="a time that is over"):
            await count(pool, books)
    capsys.readouterr()
    started = Books(books.keys, "log")
    await takeover.prepare(pool, started, marks)
    assert "[error" in capsys.readouterr().out
    assert started.era > books.era


# -- and nothing of it is taken for somebody else's work ---------------------------------------------------------------


async def test_a_worker_goes_on_in_the_era_that_another_one_began(
    installation: Installation, pool: Pool, books: Books, marks: MemoryMarks
) -> None:
    judge = Judge(Client(installation.data).get("/v1/status")["log"])
    publisher = Publisher(installation.settings, books.keys)
    worker = PartitionTally(pool, books, lambda: judge, publisher, NO_AGES)
    async with worker.holding(ONE, 0) as held:
        await held.settle(JudgedUpTo(5))
    await some(pool, books)
    other = Books(books.keys, "log")
    await takeover.begin_anew(pool)
    await takeover.prepare(pool, other, marks)
    await count(pool, other, denied("alice"), part=OTHER)
    assert not await worker.passed(ONE, 5, JudgedUpTo(6), [], [])
    with pytest.raises(JudgedElsewhere):
        async with worker.holding(ONE, 5):
            raise AssertionError("the rows are of another era")
    assert await positions.believed(pool, books, ONE) == JudgedUpTo()
    async with worker.holding(ONE, 0) as held:
        await held.settle(JudgedUpTo(1))
    for each in (books, other):
        await checked(pool, each)
        assert await positions.standing(pool, each) == {ONE: JudgedUpTo(1), OTHER: JudgedUpTo(1)}
    await publisher.close()


@pytest.mark.parametrize("marked", ["never", "an era ago", "some records ago", "at last"])
async def test_a_killed_worker_takes_over_where_it_stopped(
    pool: Pool, books: Books, marks: MemoryMarks, marked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between a commit and its mark, between a new era and its mark, and before the first mark."""
    if marked == "an era ago":
        await count(pool, books)
        await Marking(books, marks).mark()
        await takeover.begin_anew(pool)
        await takeover.prepare(pool, books, marks := _reading(marks))
    if marked == "some records ago":
        await count(pool, books)
        await Marking(books, marks).mark()
    await some(pool, books)
    if marked == "at last":
        await Marking(books, marks).mark()
    if marked == "never":
        marks = MemoryMarks()
    there = await positions.reached(pool)
    capsys.readouterr()
    started = Books(books.keys, "log")
    await takeover.prepare(pool, started, marks)
    assert capsys.readouterr().out == ""
    assert started.era == books.era
    assert await positions.reached(pool) == there != {}
    await checked(pool, started)


def _reading(marks: MemoryMarks) -> MemoryMarks:
    """Marks that are read but never stored again."""
    found = MemoryMarks()
    found.marked = marks.marked
    found.deaf = True
    return found


async def test_marks_on_kafka_are_those_that_were_kept(installation: Installation, books: Books) -> None:
    settings = installation.settings
    part, other = ("events", 0), ("decisions", 0)
    marks = KafkaMarks(settings, books.keys, "a log of a test")
    assert await marks.read() is None, "those of the installation are of its own log"
    real = Client(installation.data).get("/v1/status")["log"]
    own = KafkaMarks(settings, books.keys, real)
    found = await own.read()
    assert found is not None, "the installation's own worker keeps them"
    assert found.furthest.keys() <= {part, *(("decisions", each) for each in range(64))}
    await own.close()
    await marks.close()
    elsewhere = KafkaMarks(settings, books.keys, "another log")
    elsewhere._committed.group += ".of-a-test"  # so as not to disturb the installation's
    assert await elsewhere.read() is None
    assert await elsewhere.keep(Marked("1", {part: 3}))
    assert await elsewhere.keep(Marked("2", {part: 1, other: 7}))
    assert await elsewhere.read() == Marked("2", {part: 1, other: 7})
    assert await elsewhere.keep(Marked("3"))
    assert await elsewhere.read() == Marked("3", {part: 0})
    await elsewhere.close()


# -- tables that answer otherwise than they were written ---------------------------------------------------------------

TABLES_MADE_STRANGE = {
    "a copy in a child": "CREATE TABLE public.copies () INHERITS (alerting.windows)",
    "a rule": "CREATE RULE strange AS ON INSERT TO alerting.items DO INSTEAD NOTHING",
    "a rule that keeps the origin": "CREATE RULE strange AS ON DELETE TO alerting.origin DO INSTEAD NOTHING",
    "a trigger": "CREATE TRIGGER strange BEFORE UPDATE ON alerting.windows FOR EACH ROW "
    "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "policies": "ALTER TABLE alerting.pairs ENABLE ROW LEVEL SECURITY",
    "a view in a table's place": "ALTER TABLE alerting.pairs RENAME TO paired; "
    "CREATE VIEW alerting.pairs AS SELECT * FROM alerting.paired",
    "rows that are there twice": "ALTER TABLE alerting.pairs DROP CONSTRAINT pairs_pkey; "
    "INSERT INTO alerting.pairs SELECT * FROM alerting.pairs",
}


@pytest.mark.parametrize("what", TABLES_MADE_STRANGE)
async def test_tables_that_somebody_altered_are_recreated(
    pool: Pool, books: Books, marks: MemoryMarks, what: str
) -> None:
    await some(pool, books)
    await pool.execute(TABLES_MADE_STRANGE[what])
    with pytest.raises(RowsChanged, match=r"is not as Keytrail made it|is there twice"):
        await checked(pool, books)
    await takeover.begin_anew(pool)
    await takeover.prepare(pool, books, marks)
    assert await positions.reached(pool) == {}
    await some(pool, books)
    await checked(pool, books)


# -- decisions --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def decisions(installation: Installation, pool: Pool, books: Books) -> AsyncIterator[Any]:
    """Make one, as a starting process has it."""
    log = Client(installation.data).get("/v1/status")["log"]
    judge = Judge(log, AlertSettings({"first-use": RuleSettings(numbers={"age": 0})}))
    publisher, topics = Publisher(installation.settings, books.keys), KafkaTopics(installation.settings)

    async def authority() -> Authority:
        return Authority(log, 0, "", books.keys.newest)

    def current() -> Judge:
        return judge

    def started() -> JudgedDecisions:
        return JudgedDecisions(topics, pool, books, current, publisher, Voids(), authority, NO_AGES)

    yield started
    await topics.close()
    await publisher.close()


MOVED = {
    "beyond the end": lambda at: JudgedUpTo(at.next + 5, at.digest),
    "behind another record": lambda at: JudgedUpTo(at.next, "0" * 64),
}


@pytest.mark.parametrize("moved", MOVED)
async def test_decisions_go_on_from_the_record_that_was_judged(
    installation: Installation, pool: Pool, books: Books, decisions: Any, moved: str
) -> None:
    """A log that was restored from a backup ends earlier. Its next records would count as judged."""
    client = installation.client()
    client.list_keys()
    found = await ends(installation.settings, names(installation.settings).decisions)
    partition, end = max(found.items(), key=lambda each: each[1])
    assert end
    await decisions().catch_up(partition, end)
    part = ("decisions", partition)
    at = await positions.believed(pool, books, part)
    assert at.next >= end
    assert at.digest
    await decisions().catch_up(partition, end)
    async with pool.acquire() as connection, connection.transaction():
        held = await positions.locked(connection, books, part)
        await held.move(MOVED[moved](at))
    with pytest.raises(RowsChanged, match=r"which was judged|the one that was judged"):
        await decisions().catch_up(partition, end)


async def test_it_is_compared_where_the_other_connection_begins_and_not_before(
    installation: Installation, decisions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waited for its turn came by the former connection, and the record before it says nothing of the broker that leads now."""
    client = installation.client()
    compared: list[int] = []
    judged = JudgedDecisions._judged

    async def noted(
        working: JudgedDecisions, partition: int, kept: JudgedUpTo, doubt: Any, *, compares: bool
    ) -> list[Stored]:
        compared.extend([kept.next] if compares else [])
        return await judged(working, partition, kept, doubt, compares=compares)

    monkeypatch.setattr(JudgedDecisions, "_judged", noted)
    topic = names(installation.settings).decisions
    before = await ends(installation.settings, topic)
    for _ in range(60):
        client.list_keys()
    partition, end = next(
        each for each in (await ends(installation.settings, topic)).items() if each[1] > before[each[0]] + 3
    )
    first = before[partition]
    working = decisions()
    await working.catch_up(partition, first)
    reader = await KafkaReader(installation.settings, topic, partition).open(first)
    records: list[Stored] = []
    while len(records) < end - first:
        records += await reader.read(100)
    await reader.close()
    compared.clear()
    working.compare_again(partition, first + 2)
    await working.take(partition, records)
    assert compared == [first + 2]
    assert await working._start(partition) == records[-1].offset + 1


@pytest.mark.parametrize("moved", MOVED)
async def test_a_worker_compares_again_when_another_broker_may_lead(
    installation: Installation, pool: Pool, books: Books, decisions: Any, moved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its brokers may have lost what it judged while it was at work. A former leader may say so too, and is not believed at once."""
    installation.client().list_keys()
    found = await ends(installation.settings, names(installation.settings).decisions)
    partition, end = max(found.items(), key=lambda each: each[1])
    working = decisions()
    await working.catch_up(partition, end)
    working.compare_again(partition, end)
    await working.catch_up(partition, end)
    at = await positions.believed(pool, books, ("decisions", partition))
    async with pool.acquire() as connection, connection.transaction():
        held = await positions.locked(connection, books, ("decisions", partition))
        await held.move(MOVED[moved](at))
    await working.catch_up(partition, end)
    working.compare_again(partition, end)
    with pytest.raises(Unavailable, match="may lead no longer"):
        await working.catch_up(partition, end + 1)
    monkeypatch.setattr("services.alert_worker.decisions.SETTLED_AFTER", 0.0)
    with pytest.raises(RowsChanged, match=r"which was judged|the one that was judged"):
        await working.catch_up(partition, end + 1)
