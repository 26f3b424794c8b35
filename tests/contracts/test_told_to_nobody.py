"""Somebody who can write to Postgres keeps a notifier from sending: by rows that exist only while they are checked,
rows that wait for a notifier before its first start, and locks that anybody may hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.postgres import Pool
from services.notifier import outbox
from services.notifier.held_rows import LedgerChanged
from services.notifier.rows import NotifierRows
from services.notifier.storms import AT_ONCE
from tests.installation import Installation
from tests.telling import LOG, Telling


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        yield found


@pytest.fixture
async def telling(pool: Pool) -> AsyncIterator[Telling]:
    """A notifier with two waiting messages."""
    found = await Telling(pool).begun()
    for id in ("one", "two"):
        await found.raise_alert(id)
    await found.gather()
    yield found
    await found.end()


async def put_back(pool: Pool, table: str, row: Any) -> None:
    marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await pool.execute(f"INSERT INTO notifying.{table} VALUES ({marks})", *row)


async def test_a_message_that_is_there_only_while_rows_are_proved_is_noticed(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alert was never sent, and every check passed: a query for the next message found none."""
    row = await telling.pool.fetchrow(
        "DELETE FROM notifying.outbox WHERE notifier = $1 AND message LIKE '%what one is of%' RETURNING *", telling.name
    )
    assert row is not None
    for _ in range(2):
        capsys.readouterr()
        with pytest.raises(LedgerChanged):
            await telling.ledger.head()
        assert "[error" in capsys.readouterr().out
        await put_back(telling.pool, "outbox", row)
        await telling.ledger.prove()
        await telling.pool.execute(
            "DELETE FROM notifying.outbox WHERE notifier = $1 AND number = $2", telling.name, row["number"]
        )
    await put_back(telling.pool, "outbox", row)
    assert [ids for _, ids, _ in await telling.told()] == [["one"], ["two"]]


async def test_an_older_message_does_not_stand_in_for_another_of_its_number(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keytrail wrote both. The older one was sent in place of the other."""
    older = await telling.pool.fetchrow(
        "SELECT * FROM notifying.outbox WHERE notifier = $1 ORDER BY number LIMIT 1", telling.name
    )
    await telling.pool.execute("DELETE FROM notifying.cursors WHERE notifier = $1", telling.name)
    telling.mark.proved = None
    telling.start()
    await telling.surely(telling.ledger.prove)
    await telling.raise_alert("three")  # its row has the older one's number
    await telling.gather()
    await telling.pool.execute("DELETE FROM notifying.outbox WHERE notifier = $1", telling.name)
    await put_back(telling.pool, "outbox", older)
    capsys.readouterr()
    with pytest.raises(LedgerChanged):
        await telling.ledger.head()
    assert "[error" in capsys.readouterr().out


async def test_a_row_that_is_held_back_only_during_checks_is_noticed(
    pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message at the end of a storm was never sent: a query for finished storms found none."""
    telling = await Telling(pool, group_seconds=60).begun()
    for number in range(AT_ONCE + 3):
        await telling.raise_alert(f"a{number}")
    assert len(await telling.told()) == AT_ONCE
    row = await pool.fetchrow("DELETE FROM notifying.storms WHERE notifier = $1 RETURNING *", telling.name)
    for _ in range(2):
        capsys.readouterr()
        with pytest.raises(LedgerChanged):
            await telling.ledger.take_in(AT_ONCE + 3, AT_ONCE + 3, [], outbox.now() + timedelta(seconds=61))
        assert "[error" in capsys.readouterr().out
        await put_back(pool, "storms", row)
        await telling.ledger.prove()
        await pool.execute("DELETE FROM notifying.storms WHERE notifier = $1", telling.name)
    await put_back(pool, "storms", row)
    await telling.gather(later=61)
    assert [ids for _, ids, _ in await telling.told()] == [["a5", "a6", "a7"]]
    await telling.end()


async def test_a_proof_does_not_wait_for_the_lock_under_which_tables_are_made(telling: Telling) -> None:
    """Anybody may hold it. They chose when a check read the rows, and no message was sent meanwhile."""
    async with telling.pool.acquire() as stranger:
        await stranger.execute("SELECT pg_advisory_lock($1)", AdvisoryLock.PREPARE_NOTIFYING)
        try:
            async with asyncio.timeout(5):
                await telling.ledger.prove()
        finally:
            await stranger.execute("SELECT pg_advisory_unlock($1)", AdvisoryLock.PREPARE_NOTIFYING)


PLANTED = {
    "a day that does not come": ("$3", "'9999-01-01'"),
    "a time of no calendar": ("$3", "'infinity'"),
    "a place that does not come": ("$3 + 1000000000", "'-infinity'"),
    "a place of no topic": ("-5", "now() - interval '1 minute'"),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_a_row_that_waits_for_a_new_notifier_does_not_keep_it_deaf(
    planted: str, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row was believed as an earlier version's, whose rows had no MAC. Nothing older than the year 9999 was sent,
    even after the next start. A new notifier sends everything that is raised once it has begun."""
    await outbox.prepare(pool)
    telling = Telling(pool)
    await telling.raise_alert("before")
    telling.start()
    place, since = PLANTED[planted]
    await pool.execute(
        f"INSERT INTO notifying.cursors SELECT $1, $2, {place}, {since}, 0, 0, '', '' FROM (SELECT $3::bigint) AS its",
        telling.name, LOG, 1,
    )  # fmt: skip
    await telling.raise_alert("since")
    capsys.readouterr()
    assert ["since"] in [ids for _, ids, _ in await telling.told()]
    assert "[warning" in capsys.readouterr().out
    telling.start()
    await telling.raise_alert("later")
    assert [ids for _, ids, _ in await telling.told()] == [["later"]]
    await telling.end()


@pytest.mark.parametrize("table", ["outbox", "storms", "dead"])
async def test_a_row_that_is_there_twice_is_noticed(table: str, pool: Pool) -> None:
    """In a table without its key: the sum alone would count the copy as another row."""
    telling = await Telling(pool, group_seconds=60).begun()
    await telling.raise_alert("given-up")
    await telling.gather()
    waiting = await telling.head()
    assert waiting is not None
    await telling.ledger.given_up(waiting, "400")
    await telling.raise_alert("one")
    await telling.gather()
    rows = NotifierRows(telling.keys, telling.name)
    async with pool.acquire() as connection:
        changes = connection.transaction()
        await changes.start()
        assert await rows.found(connection) is not None
        await connection.execute(f"ALTER TABLE notifying.{table} DROP CONSTRAINT {table}_pkey")
        await connection.execute(
            f"INSERT INTO notifying.{table} SELECT * FROM notifying.{table} WHERE notifier = $1", telling.name
        )
        assert await rows.found(connection) is None
        await changes.rollback()
    await telling.end()
