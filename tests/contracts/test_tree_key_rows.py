"""When the keys of the transparency log sign, in a real vault: what Keytrail did not write is known, whoever rewrote which row."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.log.levels import FIRST, LEVEL
from services.adapters import master_key
from services.adapters.master_key import FileMasterKey
from services.adapters.postgres import Pool
from services.adapters.tree_key_rows import TreeKeyRefused
from services.adapters.vault import Vault
from services.notary.differing_keys import differing_keys
from services.notary.tree_keys import known_keys

CHANGES = {
    "an end": "UPDATE vault.tree_keys SET until = until + 1 WHERE number = 1",
    "a beginning": "UPDATE vault.tree_keys SET since = since - 1 WHERE number = 2",
    "no beginning": "UPDATE vault.tree_keys SET since = NULL WHERE number = 3",
    "no seal": "UPDATE vault.tree_keys SET times = NULL WHERE number = 1",
    "another row's seal": (
        "UPDATE vault.tree_keys SET times = (SELECT times FROM vault.tree_keys WHERE number = 2) WHERE number = 1"
    ),
    "the oldest row removed": "DELETE FROM vault.tree_keys WHERE number = 1",
    "the newest row removed": "DELETE FROM vault.tree_keys WHERE number = 3",
}
BETWEEN = [(1, 10, 30), (2, 20, 90), (3, 50, None)]
"""(number, since, until)"""
SECRET = bytes(32) + b"example.com/log"


async def nothing_is_known() -> str:
    return ""


def nobody_is_told(done: int, of: int) -> None:
    pass


@pytest.fixture
def master(tmp_path: Path) -> FileMasterKey:
    master_key.make(tmp_path / "master.key")
    return FileMasterKey(tmp_path / "master.key")


@pytest.fixture
async def vault(pool: Pool, master: FileMasterKey) -> Vault:
    """Of three keys, the first one ended with the second rotation at the latest, and the last one has no end."""
    await pool.execute("DROP SCHEMA IF EXISTS vault CASCADE")
    found = Vault(pool, master)
    await found.prepare(nothing_is_known)
    await found.add_tree_key(SECRET, 1, 10)
    for number, since, until in ((2, 20, 30), (3, 50, 90)):
        await found.add_tree_key(SECRET, number)
        await found.use_tree_key(number, since, until)
    return found


async def rows(vault: Vault) -> list[tuple[int, int | None, int | None]]:
    return [(each.number, each.since, each.until) for each in await vault.tree_keys()]


async def ours(vault: Vault) -> list[int]:
    return [each.number for each in await vault.tree_keys() if each.is_ours]


async def under_another_master_key(vault: Vault, master: FileMasterKey) -> None:
    await vault.adopt(master.add())
    await vault.rewrap(nobody_is_told)
    master.retire(await vault.under())


async def test_what_keytrail_wrote_is_its_own_under_each_master_key(vault: Vault, master: FileMasterKey) -> None:
    assert await rows(vault) == BETWEEN
    assert await ours(vault) == [1, 2, 3]
    await under_another_master_key(vault, master)
    assert (await rows(vault), await ours(vault)) == (BETWEEN, [1, 2, 3])
    await vault.add_tree_key(SECRET, 4)
    assert await ours(vault) == [1, 2, 3, 4]
    await vault.use_tree_key(4, 95, 99)
    await vault.use_tree_key(4, 96, 97)
    assert (await rows(vault), await ours(vault)) == ([*BETWEEN[:2], (3, 50, 99), (4, 95, None)], [1, 2, 3, 4])


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_row_is_known_and_does_not_become_ours(
    change: str, vault: Vault, pool: Pool, master: FileMasterKey
) -> None:
    await pool.execute(CHANGES[change])
    changed, left = await rows(vault), await ours(vault)
    assert left != [number for number, *_ in changed]
    await under_another_master_key(vault, master)
    assert (await rows(vault), await ours(vault)) == (changed, left), "another master key makes no row ours"
    await vault.add_tree_key(SECRET, 4)
    assert set(await ours(vault)) <= {*left, 4}, "nor does another key"
    await vault.use_tree_key(4, 100, 200)
    found = await rows(vault)
    assert await ours(vault) == [number for number, *_ in found]
    ended = {number: until for number, _, until in found if number not in left}
    assert ended == {number: 100 for number, *_ in changed if number not in left} | {4: None}, "they end at once"
    assert all(until is not None and until <= 100 for number, _, until in found if number != 4), (
        "and so does whatever may have been put back"
    )


@pytest.mark.parametrize("number", [1, 2])
async def test_a_row_from_before_a_rotation_is_not_ours_beside_later_ones(
    number: int, vault: Vault, pool: Pool
) -> None:
    (row,) = await pool.fetch("SELECT since, until, times FROM vault.tree_keys WHERE number = $1", number)
    await vault.add_tree_key(SECRET, 4)
    await vault.use_tree_key(4, 60, 70)
    await pool.execute("UPDATE vault.tree_keys SET since = $2, until = $3, times = $4 WHERE number = $1", number, *row)
    assert await ours(vault) == sorted({1, 2, 3, 4} - {number})


STRANGE = {
    "a row of nobody": "INSERT INTO vault.tree_keys (number, sealed, under) SELECT 999, '\\x00', under FROM vault.seal",
    "a changed secret": "UPDATE vault.tree_keys SET sealed = sealed || '\\x00' WHERE number = 2",
    "a changed name": "UPDATE vault.tree_keys SET under = under || 'x' WHERE number = 2",
}
OTHER_TABLES = {
    "a type": "ALTER TABLE vault.tree_keys ALTER until TYPE text",
    "a column that is gone": "ALTER TABLE vault.tree_keys DROP COLUMN until",
    "a seal that is no bytes": "ALTER TABLE vault.tree_keys ALTER times TYPE text USING '\\xzz'",
    "no table": "DROP TABLE vault.tree_keys",
    "a view that fails": (
        "ALTER TABLE vault.tree_keys RENAME TO kept; CREATE VIEW vault.tree_keys AS SELECT number, under, sealed, since, "
        "until / 0 AS until, times FROM vault.kept"
    ),
}
SWALLOWS = "CREATE RULE no_{0} AS ON {0} TO vault.tree_keys DO INSTEAD NOTHING"


@pytest.mark.parametrize("change", STRANGE)
async def test_a_row_that_does_not_open_is_named_and_nothing_is_sealed_beside_it(
    change: str, vault: Vault, pool: Pool, master: FileMasterKey
) -> None:
    """Gained: one worthless row stopped the notary without an alert, `verify` and both rotations."""
    await pool.execute(STRANGE[change])
    (closed,) = [each for each in await vault.tree_keys() if not each.opens]
    assert (closed.number, closed.is_ours) == (999 if "INSERT" in STRANGE[change] else 2, False)
    number = f"number {closed.number}"
    for found in (await differing_keys(vault, [], LEVEL), await differing_keys(vault, [], FIRST)):
        assert any("do not open" in each and number in each for each in found)
    assert len(await known_keys(vault)) == len(await vault.tree_keys()) - 1
    with pytest.raises(TreeKeyRefused, match=number):
        await vault.add_tree_key(SECRET, 4)
    with pytest.raises(TreeKeyRefused, match=number):
        await under_another_master_key(vault, master)
    await pool.execute(f"DELETE FROM vault.tree_keys WHERE number IN ({closed.number})")
    await vault.add_tree_key(SECRET, 4)
    await vault.use_tree_key(4, 100, 200)
    assert await ours(vault) == [number for number, *_ in await rows(vault)]


@pytest.mark.parametrize("change", OTHER_TABLES)
async def test_a_table_of_another_shape_is_refused_and_named(change: str, vault: Vault, pool: Pool) -> None:
    await pool.execute(OTHER_TABLES[change])
    with pytest.raises(TreeKeyRefused, match="not as Keytrail makes it"):
        await vault.tree_keys()
    assert ["not as Keytrail makes it" in each for each in await differing_keys(vault, [], LEVEL)] == [True]
    with pytest.raises(TreeKeyRefused, match="not as Keytrail makes it"):
        await vault.use_tree_key(3, 100, 200)


async def test_a_column_of_any_name_changes_nothing(vault: Vault, pool: Pool) -> None:
    for name in ("each", "row_of_key"):
        await pool.execute(f"ALTER TABLE vault.tree_keys ADD COLUMN {name} text DEFAULT '{{}}'")
    assert (await rows(vault), await ours(vault)) == (BETWEEN, [1, 2, 3])


async def test_what_is_not_kept_as_it_was_written_is_refused(vault: Vault, pool: Pool, master: FileMasterKey) -> None:
    """Gained: a rotation that ended, or an upgrade that was finished, and the rows stood there as before."""
    await vault.add_tree_key(SECRET, 4)
    await pool.execute("UPDATE vault.tree_keys SET times = NULL WHERE number = 1")
    await pool.execute(SWALLOWS.format("UPDATE"))
    with pytest.raises(TreeKeyRefused, match="does not keep what is written"):
        await vault.use_tree_key(4, 100, 200)
    with pytest.raises(TreeKeyRefused, match="does not keep what is written"):
        await vault.seal_tree_keys()
    with pytest.raises(TreeKeyRefused, match="does not keep what is written"):
        await under_another_master_key(vault, master)
    await pool.execute(SWALLOWS.format("INSERT"))
    with pytest.raises(TreeKeyRefused, match="does not keep what is written"):
        await vault.add_tree_key(SECRET, 5)


async def test_rows_of_the_version_before_become_ours_as_they_stand(vault: Vault, pool: Pool) -> None:
    """It knows no seal: its commands change the columns, and its table may lack that of seals."""
    await pool.execute("UPDATE vault.tree_keys SET until = 40 WHERE number = 2")
    await pool.execute("ALTER TABLE vault.tree_keys DROP COLUMN times")
    await pool.execute("DELETE FROM vault.migrations WHERE number = (SELECT max(number) FROM vault.migrations)")
    before = await rows(vault)
    assert (before[1], await ours(vault)) == ((2, 20, 40), [])
    await vault.seal_tree_keys()
    assert (await rows(vault), await ours(vault)) == (before, [1, 2, 3])
