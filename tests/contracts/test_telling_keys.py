"""A notifier's rows after a rotation of the key of records. The notifier seals them again under the new key, and believes no row
under the former key, since somebody else may have that key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest

from domain.log.authenticity import TOLD
from services.adapters.postgres import Pool
from services.notifier import outbox
from services.notifier.marks import KafkaMark, Proved
from services.notifier.rows import NotifierRows
from services.notifier.storms import AT_ONCE
from services.rendering import utc
from tests.installation import Installation
from tests.keys import OTHER as SECOND_SECRET
from tests.keys import ROOT as FIRST_SECRET
from tests.keys import process_keys
from tests.telling import Telling, Vault

TABLES = ("cursors", "storms", "outbox", "dead")
DEAD_LETTERS = AT_ONCE - 2


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        yield found


@pytest.fixture
async def telling(pool: Pool) -> AsyncIterator[Telling]:
    """A notifier with some of everything: three dead letters, two messages that wait, and a storm that is held back."""
    found = await Telling(pool, group_seconds=600).begun()
    for number in range(AT_ONCE + 2):
        await found.raise_alert(f"a{number}")
    await found.gather()
    for _ in range(DEAD_LETTERS):
        waiting = await found.head()
        assert waiting is not None
        await found.ledger.given_up(waiting, "400")
    yield found
    await found.end()


async def rows(telling: Telling) -> dict[str, list[Any]]:
    return {
        table: await telling.pool.fetch(f"SELECT * FROM notifying.{table} WHERE notifier = $1 ORDER BY 2", telling.name)
        for table in TABLES
    }


async def put_back(telling: Telling, found: dict[str, list[Any]]) -> None:
    async with telling.pool.acquire() as connection, connection.transaction():
        for table, there in found.items():
            await connection.execute(f"DELETE FROM notifying.{table} WHERE notifier = $1", telling.name)
            for row in there:
                marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
                await connection.execute(f"INSERT INTO notifying.{table} VALUES ({marks})", *row)


async def keys_of(telling: Telling) -> set[str]:
    return {row["mac"].partition(":")[0] for found in (await rows(telling)).values() for row in found}


def rotate(telling: Telling) -> None:
    """Put a further key into the vault, which is then the newest. The notifier does not read it yet."""
    telling.vault.secrets = [FIRST_SECRET, *(bytes([each]) * 32 for each in range(1, len(telling.vault.secrets) + 1))]


async def thief_of(telling: Telling, pool: Pool) -> Telling:
    """The notifier of somebody who has the former key and can write to Postgres. It puts its own rows in the place of the real
    ones. They say that no message waits, and that nothing from before the year 9999 is sent."""
    thief = Telling(pool)
    thief.vault = Vault()
    thief.notifier = telling.notifier
    thief.topic = telling.topic
    thief.now = datetime(9999, 1, 1, tzinfo=UTC)
    await put_back(telling, {table: [] for table in TABLES})
    thief.start()
    return await thief.begun()


async def test_a_notifiers_rows_go_on_under_the_new_key(telling: Telling, capsys: pytest.CaptureFixture[str]) -> None:
    old = telling.keys.newest
    assert all((await rows(telling)).values())
    rotate(telling)
    await telling.keys.read_again()
    await telling.raise_alert("while only some processes know the new key", rule="another")
    await telling.gather()
    assert await keys_of(telling) == {old}, "one key"
    for _ in range(2):
        await telling.ledger.prove()
        assert await keys_of(telling) == {telling.keys.newest} != {old}
        assert telling.mark.proved is not None
        assert telling.mark.proved.key == telling.keys.newest
        rotate(telling)
    telling.start()
    await telling.pool.execute("UPDATE notifying.dead SET again = true WHERE notifier = $1", telling.name)
    assert [len(ids) for _, ids, _ in await telling.told()] == [1] * (AT_ONCE + 1)
    await telling.gather(later=601)
    assert [ids for _, ids, _ in await telling.told()] == [[f"a{AT_ONCE}", f"a{AT_ONCE + 1}"]]
    await telling.ledger.prove()
    assert "error" not in capsys.readouterr().out


@pytest.mark.parametrize("runs", [True, False], ids=["while it runs", "before it starts"])
async def test_rows_forged_under_the_former_key_are_void(
    telling: Telling, runs: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The forged rows contradict nothing. A notifier that believed them would never send an alert again."""
    rotate(telling)
    await telling.ledger.prove()
    await thief_of(telling, telling.pool)
    await telling.raise_alert("a theft", rule="another")
    capsys.readouterr()
    if not runs:
        telling.start()
    told = [each for _, ids, _ in await telling.told() for each in ids]
    assert "a theft" in told
    assert "[error" in capsys.readouterr().out
    assert await keys_of(telling) == {telling.keys.newest}


async def test_a_cursor_of_another_log_under_the_former_key_does_not_start_over(telling: Telling) -> None:
    rotate(telling)
    await telling.ledger.prove()
    held = NotifierRows(telling.keys, telling.name).authentic((await rows(telling))["cursors"][0])
    assert held is not None
    thief = replace(held, log="another", key=telling.keys.names()[0])
    total, mac = NotifierRows(telling.keys, telling.name).sealed_cursor(thief)
    await telling.pool.execute(
        "UPDATE notifying.cursors SET log = 'another', total = $2, mac = $3 WHERE notifier = $1",
        telling.name,
        total,
        mac,
    )
    await telling.raise_alert("a theft", rule="another")
    telling.start()
    assert "a theft" in [each for _, ids, _ in await telling.told() for each in ids]


async def forge_a_dead_letter(telling: Telling) -> None:
    """Rotate, let the notifier seal its rows again, and then add a dead letter under the former key."""
    rotate(telling)
    await telling.ledger.prove()
    fields = (99, "an id", '{"alert": {}, "alerts": ["forged"]}', 0)
    mac, _ = NotifierRows(process_keys(FIRST_SECRET), telling.name).sealed("dead", *fields)
    await telling.pool.execute(
        "INSERT INTO notifying.dead VALUES ($1, $2, $3, $4, $5, now(), 1, '', now(), true, $6)",
        telling.name,
        *fields,
        mac,
    )


@pytest.mark.parametrize("runs", [True, False], ids=["while it runs", "before it starts"])
async def test_a_dead_letter_under_the_former_key_is_not_tried_again(
    telling: Telling, runs: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    await forge_a_dead_letter(telling)
    capsys.readouterr()
    if not runs:
        telling.start()
    assert "forged" not in [each for _, ids, _ in await telling.told() for each in ids]
    assert "[error" in capsys.readouterr().out
    assert len((await rows(telling))["dead"]) == DEAD_LETTERS, "the real dead letters stay"


async def test_a_forged_dead_letter_is_not_kept_when_everything_is_sent_again(telling: Telling) -> None:
    """If the cursor is wrong, everything starts over. Dead letters under the current key stay."""
    await forge_a_dead_letter(telling)
    await telling.pool.execute("DELETE FROM notifying.cursors WHERE notifier = $1", telling.name)
    telling.start()
    assert "forged" not in [each for _, ids, _ in await telling.told() for each in ids]
    assert len((await rows(telling))["dead"]) == DEAD_LETTERS, "the real dead letters stay"


async def test_if_old_rows_are_put_back_their_alerts_are_sent_again(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    before = await rows(telling)
    rotate(telling)
    await telling.ledger.prove()
    await put_back(telling, before)
    capsys.readouterr()
    telling.start()
    assert await telling.told()
    assert "a key of records that was replaced" in capsys.readouterr().out


async def test_the_next_process_completes_a_resealing_that_was_cut_short(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process ends in the middle, which leaves its rows as they were; or after its rows are sealed, but before it stores the
    mark. The next process seals what is left to seal, and finds no fault."""
    await telling.ledger.prove()
    mark = telling.mark.proved
    before = await rows(telling)
    rotate(telling)
    async with telling.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM notifying.dead WHERE notifier = $1 FOR UPDATE", telling.name)
        proving = asyncio.create_task(telling.ledger.prove())
        while not await telling.pool.fetchval(_WAITS):  # noqa: ASYNC110  # Postgres has no event for it
            await asyncio.sleep(0.01)
        proving.cancel()
        await asyncio.wait([proving])
    assert proving.cancelled()
    assert await rows(telling) == before
    for _ in range(2):
        telling.start()
        await telling.ledger.prove()
        assert await keys_of(telling) == {telling.keys.newest}
        telling.mark.proved = mark
    assert "error" not in capsys.readouterr().out


_WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() "
    "AND query LIKE 'UPDATE notifying.dead SET mac%'"
)


async def test_rows_that_an_earlier_version_left_under_several_keys_are_sealed_under_one(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    """An earlier version sealed no rows again at a rotation: the mark was under the newest key, and each row under the key of its
    time. The notifier believes such rows, and seals all of them under the newest key."""
    rotate(telling)
    await telling.keys.read_again()
    (cursor,) = (await rows(telling))["cursors"]
    earlier = NotifierRows(telling.keys, telling.name)
    held = earlier.authentic(cursor)
    assert held is not None
    assert telling.mark.proved is not None
    telling.mark.proved = Proved(telling.mark.proved.settled, telling.mark.proved.since)
    for key in telling.keys.names():
        total, mac = earlier.sealed_cursor(replace(held, key=key))
        await telling.pool.execute(
            "UPDATE notifying.cursors SET total = $2, mac = $3 WHERE notifier = $1", telling.name, total, mac
        )
        capsys.readouterr()
        there = await rows(telling)
        telling.start()
        await telling.ledger.prove()
        assert await keys_of(telling) == {telling.keys.newest}
        assert "error" not in capsys.readouterr().out
        await put_back(telling, there)
        telling.mark.proved = Proved(telling.mark.proved.settled, telling.mark.proved.since)


async def test_a_mark_on_kafka_says_which_key_rows_are_under(installation: Installation) -> None:
    name, since = f"n-{uuid4().hex}", outbox.now()
    keys = process_keys(FIRST_SECRET, SECOND_SECRET)
    mark = KafkaMark(installation.settings, keys, "a log", name)
    mac = keys.mac(TOLD, *mark._of, 7, utc(since), utc(since))  # as made by an earlier version
    metadata = orjson.dumps({"since": utc(since), "at": utc(since), "mac": mac}).decode()
    await mark._committed.keep({mark._partition: (7, metadata)})
    found = await mark.read()
    assert (found, found and found.key) == (Proved(7, since), "")
    for key in keys.names():
        await mark.keep(Proved(9, since, key))
        found = await mark.read()
        assert (found, found and found.key) == (Proved(9, since), key)
    await mark.close()
