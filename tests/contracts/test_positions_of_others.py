"""Positions of projections that somebody else wrote, while a projector runs, stands by, rebuilds or verifies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.log.authority import Authority
from domain.ports import LogRefused, OutOfRange
from domain.state.fold import Fold
from projections.log.entry import DECISIONS as CALLS
from projections.log.entry import EVENTS
from projections.registry import PROJECTIONS
from services.adapters import pins, snapshots
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.log_keys.rotation import LogKeys
from services.projector import rebuild, store, worker
from services.runtime.bootstrap import open_vault
from services.settings import Settings
from services.verification import projections as verification
from tests.contracts.test_positions_permits_pins import DECISIONS, NEW, OLD, filled, macs, started
from tests.keys import OTHER, ROOT
from tests.projections.test_projections import ENTRIES, REACHED, decision_entry
from tests.telling import Vault

S = DECISIONS.schema


def keyring(*secrets: bytes) -> VaultKeyring:
    vault = Vault()
    vault.secrets = list(secrets)
    return VaultKeyring(vault, secrets, strict=True)


BEFORE, AFTER = keyring(ROOT), keyring(ROOT, OTHER)
MORE = [decision_entry(2), decision_entry(3)]


async def count(pool: Pool) -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM {S}.decisions"))


async def go_on(pool: Pool, going: store.ProjectorMemory | None = None) -> None:
    async with pool.acquire() as connection:
        await store.take_in(connection, DECISIONS, MORE, store.ReadTo({(CALLS, 0): 4}), BEFORE, None, going)


async def put(pool: Pool, rows: list[Any]) -> None:
    for row in rows:
        await pool.execute(
            f"UPDATE {S}.positions SET next = $3, digest = $4, authority = $5, mac = $6 WHERE topic = $1 AND partition = $2",
            *row,
        )


@pytest.mark.parametrize("changed", ["next = next + 1000000", "next = 0", "authority = '{}'", "mac = 'junk'"])
async def test_a_batch_believes_no_position_that_keytrail_did_not_write(pool: Pool, changed: str) -> None:
    """The projector left out the records before the forged position, and signed the position."""
    await filled(pool)
    await pool.execute(f"UPDATE {S}.positions SET {changed} WHERE topic = 'decisions' AND partition = 0")
    with pytest.raises(store.ProjectionChanged):
        await go_on(pool)


async def test_nor_does_one_that_begins_behind_an_interruption(pool: Pool) -> None:
    """An authority that accepts records without a MAC was believed, and signed."""
    for each in PROJECTIONS.values():
        async with pool.acquire() as connection:
            await store.prepare(connection, each, "log", BEFORE, anew=True)
            await store.take_in(connection, each, ENTRIES, store.ReadTo(dict(REACHED), "digest"), BEFORE)
    nothing = json.dumps(Authority("another", -1, "", "").document(), sort_keys=True)
    await worker._stored(pool, BEFORE, (), store.ProjectorMemory())
    await pool.execute("UPDATE p_keys.positions SET authority = $1", nothing)
    with pytest.raises(store.ProjectionChanged):
        await worker._stored(pool, BEFORE, (), store.ProjectorMemory())


async def test_a_position_that_was_ours_is_not_put_back_while_a_projector_remembers(pool: Pool) -> None:
    await filled(pool)
    saved = await pool.fetch(f"SELECT * FROM {S}.positions")
    going = store.ProjectorMemory()
    await go_on(pool, going)
    await put(pool, saved)
    with pytest.raises(store.ProjectionChanged) as found:
        await go_on(pool, going)
    assert found.value.anew, "each position by itself is ours"
    async with pool.acquire() as connection:
        stored = await store.positions(connection, S)
        with pytest.raises(store.ProjectionChanged):
            store.require_onward(DECISIONS, stored, going.seen[S])


async def test_rows_that_do_not_fit_a_position_are_no_loop(pool: Pool) -> None:
    """Rolled back before a start, it ended every batch with an error of Postgres's."""
    history = PROJECTIONS["history"]
    async with pool.acquire() as connection:
        await store.prepare(connection, history, "log", BEFORE, anew=True)
        await store.take_in(connection, history, ENTRIES, store.ReadTo({(EVENTS, 0): 3}, ENTRIES[2].digest), BEFORE)
        with pytest.raises(store.ProjectionChanged) as found:
            await store.take_in(connection, history, ENTRIES, store.ReadTo(dict(REACHED), "digest"), BEFORE)
    assert found.value.anew


async def test_the_mac_of_a_lane_is_not_good_for_a_position(pool: Pool) -> None:
    await filled(pool)
    await pool.execute(
        f"INSERT INTO {S}.positions SELECT worker, lane, number, digest, partition::text, mac FROM {S}.lanes"
    )
    async with pool.acquire() as connection:
        assert not await store.are_ours(connection, DECISIONS, BEFORE, S)
    with pytest.raises(store.ProjectionChanged):
        await go_on(pool)


async def test_tables_of_another_shape_are_recreated(pool: Pool) -> None:
    await filled(pool)
    await pool.execute(f"ALTER TABLE {S}.anchors DROP COLUMN mac")
    assert not await started(pool, BEFORE, [])
    await go_on(pool)


async def test_a_standby_goes_on_after_the_key_was_rotated(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    await filled(pool)
    vault = Vault()
    standby = VaultKeyring(vault, vault.secrets, strict=True)
    vault.secrets = [ROOT, OTHER]
    async with pool.acquire() as connection:
        assert await store.seal_anew(connection, DECISIONS, AFTER, S, ())
    assert await started(pool, standby, [OLD])
    assert "is rebuilt" not in capsys.readouterr().out


async def test_positions_under_a_retired_key_are_distinguished_from_forged_ones(
    pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    await filled(pool)
    assert not await started(pool, AFTER, [OLD])
    told = capsys.readouterr().out
    assert "under a key of records that was retired" in told
    assert "somebody else" not in told


async def test_a_rebuild_goes_on_after_a_rotation_and_its_end(pool: Pool) -> None:
    """In one batch: otherwise it was put in place under the retired key."""
    beside = f"{S}_beside"
    async with pool.acquire() as connection:
        await store.prepare(connection, DECISIONS, "log", BEFORE, beside, anew=True)
        await store.take_in(connection, DECISIONS, ENTRIES, store.ReadTo(dict(REACHED), "d"), BEFORE, beside)
        to = store.ReadTo(
            {(EVENTS, 0): REACHED[EVENTS, 0] + 2}, "e", Authority("log", 0, "", NEW, {OLD: {}}), since="d"
        )
        await store.take_in(connection, DECISIONS, [], to, AFTER, beside)
    assert await macs(pool, beside) == {NEW}
    await pool.execute(f"DROP SCHEMA {beside} CASCADE")


async def test_a_live_position_that_was_raised_keeps_nothing_from_being_rebuilt(pool: Pool, database: Settings) -> None:
    """The command that SECURITY.md names as the repair never ended."""
    beside = f"{S}_beside"

    async def ends(settings: Settings, topic: str) -> dict[int, int]:
        return {0: 2, 3: 1} if topic.endswith(CALLS) else {0: REACHED[EVENTS, 0]}

    await filled(pool)
    async with pool.acquire() as connection:
        await store.prepare(connection, DECISIONS, "log", BEFORE, beside, anew=True)
    assert not await rebuild._swapped(database, pool, DECISIONS, beside, ends), "the live one is further"
    async with pool.acquire() as connection:
        await store.take_in(connection, DECISIONS, ENTRIES, store.ReadTo(dict(REACHED), "d"), BEFORE, beside)
    await pool.execute(f"UPDATE {S}.positions SET next = next + 1000000")
    await pool.execute(f"INSERT INTO {S}.positions VALUES ('nowhere', 0, 1, '', '', '')")
    assert await rebuild._swapped(database, pool, DECISIONS, beside, ends)


async def test_a_record_that_comes_before_the_swap_is_read_first(pool: Pool, database: Settings) -> None:
    """Given a record that the projector wrote after the rebuild had asked where the topics end: tables without it were put in its
    place, and the projector threw them away, since positions had gone back."""
    beside = f"{S}_beside"

    async def ends(settings: Settings, topic: str) -> dict[int, int]:
        found = {0: 2, 3: 1} if topic.endswith(CALLS) else {0: REACHED[EVENTS, 0]}
        if topic.endswith(CALLS):
            await go_on(pool)
        return found

    await filled(pool)
    async with pool.acquire() as connection:
        await store.prepare(connection, DECISIONS, "log", BEFORE, beside, anew=True)
        await store.take_in(connection, DECISIONS, ENTRIES, store.ReadTo(dict(REACHED), "d"), BEFORE, beside)
    assert not await rebuild._swapped(database, pool, DECISIONS, beside, ends)
    there = await count(pool)
    async with pool.acquire() as connection:
        await store.take_in(connection, DECISIONS, MORE, store.ReadTo({(CALLS, 0): 4}), BEFORE, beside)
    assert await rebuild._swapped(database, pool, DECISIONS, beside, ends)
    assert await count(pool) == there


async def test_a_case_that_the_tables_of_a_rebuild_lack_is_written_again(pool: Pool, database: Settings) -> None:
    """Given a retention that removed every call of a case, then the projector remembered that it had written the case, to tables
    that were gone. The calls after that had no case: `unused`, `recheck` and `explain` failed on them."""
    beside, going = f"{S}_beside", store.ProjectorMemory()

    async def ends(settings: Settings, topic: str) -> dict[int, int]:
        return {0: 4} if topic.endswith(CALLS) else {0: REACHED[EVENTS, 0]}

    await filled(pool)
    await go_on(pool, going)
    async with pool.acquire() as connection:
        await store.prepare(connection, DECISIONS, "log", BEFORE, beside, anew=True)
        to = store.ReadTo(await store.positions(connection, S))
        await store.take_in(connection, DECISIONS, [], to, BEFORE, beside)
        assert await rebuild._swapped(database, pool, DECISIONS, beside, ends)
        last = store.ReadTo({(CALLS, 0): 5})
        await store.take_in(connection, DECISIONS, [decision_entry(4)], last, BEFORE, None, going)
        found = await connection.fetch(
            f"SELECT record, document IS NOT NULL AS whole FROM {S}.decisions LEFT JOIN {S}.cases ON id = case_id"
        )
        assert [tuple(row) for row in found] == [(4, True)]
        assert [tuple(row) for row in await connection.fetch(f"SELECT origin, record FROM {S}.firsts")] == [(0, 4)]


async def test_a_rotation_beside_a_verification_is_no_alarm(pool: Pool, database: Settings) -> None:
    await filled(pool)
    vault = Vault()
    keys = VaultKeyring(vault, vault.secrets, strict=True)

    class RotatedMeanwhile(verification.AskedTopics):
        async def chain_now(self) -> Any:
            vault.secrets = [ROOT, OTHER]
            async with pool.acquire() as connection:
                await store.seal_anew(connection, DECISIONS, AFTER, S, ())
            return type("Chain", (), {"authority": Authority("log", 0, "", NEW, {OLD: {}})})

    async def positions_alone(*given: Any) -> Any:
        assert await store.are_ours(given[1], DECISIONS, keys, S, given[5])
        return verification.Difference("as far as this test goes")

    asked = RotatedMeanwhile(database, pool, keys)
    (found,) = await verification.differences(database, pool, keys, DECISIONS, lambda *_: None, asked, positions_alone)
    assert found.table == "as far as this test goes"


@pytest.mark.parametrize("how", ["a lock", "a row", "a table"])
async def test_a_projection_that_cannot_be_sealed_keeps_no_key_from_being_retired(
    pool: Pool, database: Settings, how: str
) -> None:
    await filled(pool)
    command = LogKeys(database, pool, open_vault(database, pool), AFTER, lambda *_: None, lock_patience=300)
    async with pool.acquire() as other, other.transaction():
        if how == "a lock":
            await other.execute(f"LOCK TABLE {S}.positions IN ROW EXCLUSIVE MODE")
        elif how == "a row":
            await pool.execute(f"INSERT INTO {S}.anchors VALUES ('w', 9, 1, 'junk')")
        else:
            await pool.execute(f"ALTER TABLE {S}.anchors DROP COLUMN mac")
        assert "decisions" in await command._seal_positions(Authority("log", 0, "", NEW))
    await command.close()


async def test_a_snapshot_is_not_pushed_out_by_rows_of_others(pool: Pool) -> None:
    """Every start folded the whole log, and no line said why."""
    await snapshots.prepare(pool)
    await pool.execute("DELETE FROM present.versioned_snapshots")
    for number in range(4):
        await pool.execute(
            "INSERT INTO present.versioned_snapshots VALUES ($1, $2, $3, '', '', $4)",
            ("x", "log")[number % 2],
            (999, snapshots.VERSION)[number % 2],
            9 * 10**18 + number,
            f"{OLD}:junk",
        )
    fold = Fold.under(BEFORE)
    fold.world.log = "log"
    await snapshots.save(pool, fold)
    (row,) = await pool.fetch("SELECT log, position FROM present.versioned_snapshots")
    assert row["log"] == "log"
    assert row["position"] == fold.chain.position


async def test_a_pin_that_a_rotation_made_says_what_an_older_database_is(
    database: Settings, pool: Pool, tmp_path: Path
) -> None:
    settings, vault = replace(database, data=tmp_path), open_vault(database, pool)
    await vault.migrate()
    await pool.execute("DELETE FROM vault.pin")
    await pins.keep(settings, vault, AFTER, Authority("log", 0, "digest", NEW))
    await pool.execute("DELETE FROM vault.pin")
    with pytest.raises(LogRefused, match=r"log-keys rotate.*remove .*pin\.json"):
        await pins.require(settings, vault, BEFORE)


async def test_tables_made_of_a_record_that_brokers_lost_take_no_more(pool: Pool) -> None:
    """Given a projector that was stopped with a batch on its way to Postgres, while brokers lost the last record of the log and
    another took its place: the next projector had read the other one, left it out as written, and went on. The tables kept a
    change that no log has, and lacked the one that the log has."""
    history, end = PROJECTIONS["history"], REACHED[EVENTS, 0]
    last = next(each for each in ENTRIES if (each.topic, each.offset) == (EVENTS, end - 1))
    before = next(each for each in ENTRIES if (each.topic, each.offset) == (EVENTS, end - 2))
    other, later = replace(last, digest="another"), replace(last, digest="later", offset=end)
    async with pool.acquire() as connection:
        await store.prepare(connection, history, "log", BEFORE, anew=True)
        await store.take_in(connection, history, ENTRIES, store.ReadTo({(EVENTS, 0): end}, last.digest), BEFORE)
        made = await connection.fetch("SELECT * FROM p_history.positions"), await rows_of_history(connection)
        for entries, to in (
            ([other], store.ReadTo({(EVENTS, 0): end}, "another", since=before.digest)),
            ([other, later], store.ReadTo({(EVENTS, 0): end + 1}, "later", since=before.digest)),
            ([later], store.ReadTo({(EVENTS, 0): end + 1}, "later", since="another")),
        ):
            with pytest.raises(OutOfRange, match="keytrail rebuild"):
                await store.take_in(connection, history, entries, to, BEFORE)
            assert (
                await connection.fetch("SELECT * FROM p_history.positions"),
                await rows_of_history(connection),
            ) == made
        for entries, to in (  # what was written already, one that ends before it, and void records
            ([last], store.ReadTo({(EVENTS, 0): end}, last.digest, since=before.digest)),
            ([before], store.ReadTo({(EVENTS, 0): end - 1}, before.digest)),
            ([], store.ReadTo({(EVENTS, 0): end + 1}, last.digest, since=last.digest)),
        ):
            await store.take_in(connection, history, entries, to, BEFORE)


async def rows_of_history(connection: Any) -> Any:
    return await connection.fetch("SELECT * FROM p_history.history AS row ORDER BY row::text")


async def test_a_position_says_which_decision_was_read_last(pool: Pool) -> None:
    """So a projector that is started again compares it with the topic."""
    to = store.ReadTo(dict(REACHED), "digest", last={(CALLS, 0): "of the second"})
    async with pool.acquire() as connection:
        await store.prepare(connection, DECISIONS, "log", BEFORE, anew=True)
        await store.take_in(connection, DECISIONS, ENTRIES, to, BEFORE)
        read = await store.reached(connection, DECISIONS, BEFORE, ())
        assert read.last == {(CALLS, 0): "of the second"}
        assert worker.start_of([(DECISIONS, read)]).last == read.last
        await store.take_in(connection, DECISIONS, [], store.ReadTo({(CALLS, 0): 3}), BEFORE)
        assert (await store.reached(connection, DECISIONS, BEFORE, ())).last == {}
