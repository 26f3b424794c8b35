"""Counts of alerts after a rotation of the log keys: they are resealed, and no row under the former key is believed,
since somebody else may have that key. Nothing is judged again for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.alert_worker import positions, rotation, takeover, unjudged
from services.alert_worker.books import Books, JudgedElsewhere, RowsChanged
from services.alert_worker.marks import KafkaMarks, Marked, Marking
from services.alert_worker.positions import JudgedUpTo
from tests.contracts.conftest import MemoryMarks
from tests.contracts.test_counting import ONE, OTHER, checked, count, denied, some, used
from tests.contracts.test_rows_put_back import put_back, taken
from tests.installation import Installation
from tests.keys import ROOT
from tests.telling import Vault

KEYS = tuple(bytes([number]) * 32 for number in range(1, 4))


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def keys(vault: Vault) -> VaultKeyring:
    """Instead of the installation's keys, which this test would rotate."""
    return of(vault)


def of(vault: Vault) -> VaultKeyring:
    return VaultKeyring(vault, vault.secrets, strict=True)


async def rotated(vault: Vault, *books: Books, by: int = 1) -> None:
    """These processes know the rotation."""
    vault.secrets = [ROOT, *KEYS[: len(vault.secrets) - 1 + by]]
    for each in books:
        await each.keys.read_again()


async def macs(pool: Pool) -> set[str]:
    return {row["mac"].partition(":")[0] for rows in (await taken(pool)).values() for row in rows}


async def test_counts_go_on_under_the_new_key(
    vault: Vault, pool: Pool, books: Books, marks: MemoryMarks, capsys: pytest.CaptureFixture[str]
) -> None:
    await some(pool, books)
    other = Books(of(vault), "log")
    there = await positions.standing(pool, other)
    old = books.keys.newest
    await rotated(vault, books)
    await count(pool, books, denied("dave"))
    assert await macs(pool) == {old}, "one key, also in a process that knows the next"
    await checked(pool, books)
    await rotation.seal_anew(pool, books)
    assert await macs(pool) == {books.keys.newest} != {old}
    await Marking(books, marks).mark()
    assert not rotation.is_due(books)
    was = await taken(pool)
    await rotation.seal_anew(pool, books)
    assert await taken(pool) == was, "twice is once"
    # a process that has not heard of it yet
    assert await positions.standing(pool, other) == {**there, ONE: JudgedUpTo(2)}
    assert await count(pool, other, denied("alice"), [used("alice", "key-1")], OTHER) == (
        [(denied("alice")[0].window_of)],
        [],
    )
    await checked(pool, other)
    assert await macs(pool) == {books.keys.newest}
    started = Books(of(vault), "log")
    await takeover.prepare(pool, started, marks)
    assert started.era == books.era
    async with pool.acquire() as connection, connection.transaction():
        found = await unjudged.oldest_unjudged(connection, other, [])
        assert found is not None
        await unjudged.judged(connection, other, found[1])
    await checked(pool, started)
    assert "error" not in capsys.readouterr().out


async def test_a_process_that_asks_first_for_a_policy_or_a_position_goes_on_as_well(
    vault: Vault, pool: Pool, books: Books
) -> None:
    await some(pool, books)
    others = asking, counting, checking, late = [Books(of(vault), "log") for _ in range(4)]
    for other in others:
        await positions.standing(pool, other)
    await rotated(vault, books)
    await rotation.seal_anew(pool, books)
    async with pool.acquire() as connection, connection.transaction():
        assert await unjudged.oldest_unjudged(connection, asking, []) is not None
    await count(pool, counting, part=("decisions", 7))
    await checked(pool, checking)
    await late.keys.read_again()
    await rotation.seal_anew(pool, late)
    assert {each.era for each in others} == {books.era}


async def test_one_that_was_at_it_finds_its_row_changed(vault: Vault, pool: Pool, books: Books) -> None:
    """The one statement that moves a partition past records without a finding."""
    await count(pool, books)
    async with pool.acquire() as connection, connection.transaction():
        held = await positions.locked(connection, books, ONE)
        await held.move(JudgedUpTo(5))
    assert held.written is not None
    stale = Books(books.keys, "log", books.era, books.key)
    await rotated(vault, books)
    await rotation.seal_anew(pool, books)
    for each in (books, stale):
        assert await positions.passed(pool, each, ONE, held.written, JudgedUpTo(6)) is None
    await checked(pool, books)


# -- somebody who has the former key -------------------------------------------------------------------------------


async def _a_window(pool: Pool, thief: Books) -> None:
    fields = (*denied("alice")[0].window_of, 1)
    await pool.execute(
        "UPDATE alerting.windows SET count = $4, mac = $5 WHERE rule = $1 AND subject = $2 AND start = $3",
        *fields,
        thief.sealed("windows", fields)[0],
    )


async def _an_item(pool: Pool, thief: Books) -> None:
    fields = (*denied("bob")[0].window_of, "key-2")
    await pool.execute(
        "INSERT INTO alerting.items VALUES ($1, $2, $3, $4, $5)", *fields, thief.sealed("items", fields)[0]
    )


async def _a_pair(pool: Pool, thief: Books) -> None:
    await pool.execute(
        "INSERT INTO alerting.pairs VALUES ($1, $2, $3)", "bob", "key-2", thief.sealed("pairs", ("bob", "key-2"))[0]
    )


async def _a_policy(pool: Pool, thief: Books) -> None:
    fields = (7, "111122223333", '{"position":7,"told":[]}')
    mac, _ = thief.sealed("unjudged", fields)
    await pool.execute(
        "UPDATE alerting.unjudged SET document = $3, mac = $4 WHERE (position, account) = ($1, $2)", *fields, mac
    )


async def _a_position(pool: Pool, thief: Books) -> None:
    row, _ = positions.row_of(thief, ONE, JudgedUpTo(900), thief.hidden(0))
    await pool.execute(
        "UPDATE alerting.positions SET next = $3, digest = $4, skew = $5, total = $6, mac = $7 "
        "WHERE topic = $1 AND partition = $2",
        *row,
    )


async def _the_origin(pool: Pool, thief: Books) -> None:
    thief.begin()
    await pool.execute("UPDATE alerting.origin SET era = $1, mac = $2", thief.era, thief.origin())


FORGED: dict[str, Callable[[Pool, Books], Coroutine[Any, Any, None]]] = {
    "a window": _a_window,
    "an item": _an_item,
    "a pair": _a_pair,
    "a policy": _a_policy,
    "a position": _a_position,
    "the origin": _the_origin,
}


@pytest.mark.parametrize("what", FORGED)
async def test_rows_forged_under_the_former_key_are_void(vault: Vault, pool: Pool, books: Books, what: str) -> None:
    await some(pool, books)
    thief = Books(of(vault), "log")
    await rotated(vault, books)
    await rotation.seal_anew(pool, books)
    thief.era = books.era
    await FORGED[what](pool, thief)
    with pytest.raises(RowsChanged):
        await checked(pool, books)
    with pytest.raises(RowsChanged):
        await count(pool, books, denied("alice") + denied("bob", item="key-2"), [used("bob", "key-2")])
        async with pool.acquire() as connection, connection.transaction():
            await unjudged.oldest_unjudged(connection, books, [])
        await positions.standing(pool, books)


@pytest.mark.parametrize("lives", [True, False], ids=["while a worker lives", "while none lives"])
async def test_nor_is_all_of_it(
    vault: Vault, pool: Pool, books: Books, marks: MemoryMarks, lives: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything made with the former key fits together, and belongs to a later era than any other."""
    await some(pool, books)
    thief = Books(of(vault), "log")
    await rotated(vault, books)
    await rotation.seal_anew(pool, books)
    await Marking(books, marks).mark()
    ours = await taken(pool)
    await pool.execute("DROP SCHEMA alerting CASCADE")
    await takeover.prepare(pool, thief, MemoryMarks())
    await some(pool, thief)
    for _ in range(9):
        await count(pool, thief)
    await checked(pool, thief)
    assert thief.era > books.era
    capsys.readouterr()
    if lives:
        with pytest.raises(RowsChanged, match="a key that was replaced"):
            await positions.standing(pool, books)
        with pytest.raises(RowsChanged, match="a key that was replaced"):
            await count(pool, books)
        await put_back(pool, ours)
        await checked(pool, books)
        return
    await takeover.prepare(pool, Books(of(vault), "log"), marks)
    assert "a key that was replaced" in capsys.readouterr().out
    assert await positions.reached(pool) == {}


async def test_nor_are_rows_of_before_that_are_put_back(
    vault: Vault, pool: Pool, books: Books, marks: MemoryMarks
) -> None:
    await some(pool, books)
    before = await taken(pool)
    await rotated(vault, books)
    await rotation.seal_anew(pool, books)
    await put_back(pool, before)
    with pytest.raises(RowsChanged, match="a time that is over"):
        await checked(pool, books)
    with pytest.raises(RowsChanged):
        await rotation.seal_anew(pool, books)
        await count(pool, books)


# -- what may come between ---------------------------------------------------------------------------------------------


async def test_a_killed_process_leaves_everything_unchanged(
    vault: Vault, pool: Pool, books: Books, marks: MemoryMarks, capsys: pytest.CaptureFixture[str]
) -> None:
    """At its last statement, and after it, before the mark is stored."""
    await some(pool, books)
    await Marking(books, marks).mark()
    before, era = await taken(pool), books.era
    await rotated(vault, books)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM alerting.origin FOR UPDATE")
        sealing = asyncio.create_task(rotation.seal_anew(pool, books))
        while not await pool.fetchval(_WAITS):  # noqa: ASYNC110  # Postgres has no event for it
            await asyncio.sleep(0.01)
        sealing.cancel()
        await asyncio.wait([sealing])
    assert sealing.cancelled()
    assert (await taken(pool), books.era) == (before, era)
    await checked(pool, books)
    await rotation.seal_anew(pool, books)
    marks.deaf = True
    for _ in range(2):
        started = Books(of(vault), "log")
        await takeover.prepare(pool, started, marks)
        assert started.era == books.era
        assert await positions.standing(pool, started) == await positions.standing(pool, books)
    assert "error" not in capsys.readouterr().out
    await pool.execute(
        "TRUNCATE alerting.positions, alerting.windows, alerting.items, alerting.pairs, alerting.unjudged"
    )
    await takeover.prepare(pool, Books(of(vault), "log"), marks)
    assert "went back" in capsys.readouterr().out, "the earlier mark is one of the same counts"


_WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() "
    "AND query LIKE 'UPDATE alerting.origin%'"
)


async def test_of_several_at_once_one_seals(vault: Vault, pool: Pool, books: Books) -> None:
    await some(pool, books)
    workers = [books, *(Books(of(vault), "log") for _ in range(2))]
    for each in workers:
        await positions.standing(pool, each)
    await rotated(vault, *workers, by=2)
    done = await asyncio.gather(
        *(rotation.seal_anew(pool, each) for each in workers),
        *(count(pool, each, denied(f"user-{number}")) for number, each in enumerate(workers)),
        return_exceptions=True,
    )
    assert [each for each in done if isinstance(each, RowsChanged | JudgedElsewhere)] == []
    for each in workers:
        await rotation.seal_anew(pool, each)
        await checked(pool, each)
    assert {each.era for each in workers} == {books.era}
    assert await macs(pool) == {books.keys.newest}
    await rotated(vault, *workers)
    await rotation.seal_anew(pool, workers[-1])
    for each in workers:
        await checked(pool, each)
    assert await macs(pool) == {books.keys.names()[3]}


async def test_wrong_rows_are_judged_again_and_not_resealed(vault: Vault, pool: Pool, books: Books) -> None:
    await some(pool, books)
    await rotated(vault, books)
    await pool.execute("DELETE FROM alerting.pairs")
    before = await taken(pool)
    with pytest.raises(RowsChanged, match="removed"):
        await rotation.seal_anew(pool, books)
    assert await taken(pool) == before


async def test_a_check_of_rows_from_before_a_change_raises_no_alarm(vault: Vault, pool: Pool, books: Books) -> None:
    await some(pool, books)
    era = books.era
    await rotated(vault, books)
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.fetch(positions.POSITIONS)
        await rotation.seal_anew(pool, books)
        with pytest.raises(JudgedElsewhere):
            await books.read(connection, era)
        with pytest.raises(RowsChanged, match="a time that is over"):
            await books.read(connection, books.era)


async def test_tables_that_nothing_was_counted_in_are_sealed_too(vault: Vault, pool: Pool, books: Books) -> None:
    await rotated(vault, books)
    await rotation.seal_anew(pool, books)
    await some(pool, books)
    await checked(pool, books)
    assert await macs(pool) == {books.keys.newest}


async def test_a_policy_that_is_judged_to_the_end_meanwhile_comes_first(vault: Vault, pool: Pool, books: Books) -> None:
    """A worker that judges a policy holds its row, and takes a partition's row at the end. Neither waits for the
    other."""
    await some(pool, books)
    await rotated(vault, books)
    async with pool.acquire() as connection, connection.transaction():
        found = await unjudged.oldest_unjudged(connection, books, [])
        assert found is not None
        sealing = asyncio.create_task(rotation.seal_anew(pool, books))
        while not await pool.fetchval(_WAITS.replace("UPDATE alerting.origin", "LOCK TABLE")):  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.01)
        await unjudged.judged(connection, books, found[1])
    await sealing
    await checked(pool, books)
    assert await macs(pool) == {books.keys.newest}


async def test_a_mark_under_the_key_of_before_says_less_than_one_under_the_new_key(
    installation: Installation, vault: Vault, keys: VaultKeyring
) -> None:
    """Of any era."""
    part, other, old = ("events", 0), ("decisions", 0), keys.newest
    marks = KafkaMarks(installation.settings, keys, "a log whose key was rotated")
    marks._committed.group += ".of-a-rotation"  # so as not to disturb the installation's
    await rotated(vault, Books(keys, "log"))
    assert await marks.keep(Marked("2", {part: 3}, old))
    found = await marks.read()
    assert (found, found and found.key) == (Marked("2", {part: 3}), old)
    assert await marks.keep(Marked("1", {other: 7}, keys.newest))
    found = await marks.read()
    assert (found, found and found.key) == (Marked("1", {other: 7}), keys.newest)
    await marks.close()
