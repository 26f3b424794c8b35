"""What a notary believes of the keys in a real vault, and for how long; and what `verify` says of the keys that signed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from domain.ports import Unavailable
from domain.transparency.checkpoints import Checkpoint
from domain.transparency.merkle import leaf_hash
from services.adapters import master_key
from services.adapters.master_key import FileMasterKey
from services.adapters.postgres import Pool
from services.adapters.tree_key_rows import TreeKeyRefused
from services.adapters.vault import Vault
from services.notary.differing_keys import LATE, differing_signers
from services.notary.recorded_rotations import NamedKeys, RecordedRotations
from services.notary.tree_keys import (
    BEGINS_WITHIN,
    BELIEVED_FOR,
    SIGNS_FOR,
    TreeKeys,
    known_keys,
    new_secret,
    open_tree_keys,
)
from services.settings import Settings

ORIGIN = "example.com/log"
HEAD = Checkpoint(ORIGIN, 1, leaf_hash(b"one"))
NO_SEAL = "UPDATE vault.tree_keys SET times = NULL"


class SaidByTheLog(RecordedRotations):
    """The log as it is told to be: Postgres has no say in it."""

    def __init__(self) -> None:
        self.first, self.asked, self.names = True, 0, list[str]()

    async def is_first_level(self) -> bool:
        self.asked += 1
        return self.first

    async def named(self, origin: str) -> NamedKeys:
        return NamedKeys(self.names[-1] if self.names else "", dict.fromkeys(self.names, 0))

    async def mentioned(self, origin: str) -> set[str]:
        return set(self.names)


async def nothing_is_known() -> str:
    return ""


@pytest.fixture
async def vault(pool: Pool, tmp_path: Path, database: Settings) -> Vault:
    """Of two keys, the first one has ended."""
    master_key.make(tmp_path / "master.key")
    await pool.execute("DROP SCHEMA IF EXISTS vault CASCADE")
    found = Vault(pool, FileMasterKey(tmp_path / "master.key"))
    await found.prepare(nothing_is_known)
    await found.add_tree_key(await new_secret(database, ORIGIN), 1, 10)
    await found.add_tree_key(await new_secret(database, ORIGIN), 2)
    await found.use_tree_key(2, 20, 30)
    return found


@pytest.fixture
def log() -> SaidByTheLog:
    return SaidByTheLog()


@pytest.fixture
async def keys(vault: Vault, database: Settings, log: SaidByTheLog) -> TreeKeys:
    return await open_tree_keys(database, vault, "log", log, "")


async def test_rows_without_a_seal_are_believed_for_seconds_and_never_after_the_upgrade(
    keys: TreeKeys, log: SaidByTheLog, pool: Pool
) -> None:
    """Gained: a notary that had believed them once went on for ever, whatever the log said since."""
    await pool.execute(NO_SEAL)
    await keys.read()
    await keys.read()
    assert log.asked == 1, "it reads the world"
    keys._believed_at -= BELIEVED_FOR
    await keys.read()
    assert log.asked == 2
    log.first = False
    keys._believed_at -= BELIEVED_FOR
    for _ in range(2):
        with pytest.raises(TreeKeyRefused, match="changed by somebody else"):
            await keys.read()
    assert log.asked == 3, "it goes up only"


async def test_rows_that_are_sealed_while_the_level_is_asked_are_believed(
    vault: Vault, keys: TreeKeys, log: SaidByTheLog, pool: Pool
) -> None:
    """As where an upgrade is finished between the two questions."""
    await pool.execute(NO_SEAL)

    class SealsMeanwhile(SaidByTheLog):
        async def is_first_level(self) -> bool:
            await vault.seal_tree_keys()
            return False

    keys._log = SealsMeanwhile()
    await keys.read()
    assert len(keys.own) == 2


async def test_nothing_is_signed_with_keys_that_were_not_read_lately(keys: TreeKeys, pool: Pool) -> None:
    """Gained: while its reading failed, the notary went on with the keys in memory."""
    await keys.signed(HEAD)
    keys._read_at -= SIGNS_FOR
    with pytest.raises(Unavailable, match="was not read"):
        await keys.signed(HEAD)
    await pool.execute("ALTER TABLE vault.tree_keys RENAME until TO later")
    with pytest.raises(TreeKeyRefused, match="not as Keytrail makes it"):
        await keys.read_sometimes()
    await pool.execute("ALTER TABLE vault.tree_keys RENAME later TO until")
    await keys.read_sometimes()
    await keys.signed(HEAD)


async def test_a_key_that_the_log_names_begins_soon(keys: TreeKeys, log: SaidByTheLog) -> None:
    """Gained: a view that shows the rows from before a rotation, which fit each other, was believed."""
    new = f"{ORIGIN}+0+A"
    for name in (keys.own[0].text, f"another{new}"):
        keys.is_named(name)
        keys._named_at -= BEGINS_WITHIN
        await keys.read()
    keys.is_named(new)
    await keys.read()
    keys._named_at -= BEGINS_WITHIN
    with pytest.raises(TreeKeyRefused, match="its rotation was interrupted, or undone"):
        await keys.read()


async def test_a_notary_that_starts_looks_for_what_it_did_not_see(keys: TreeKeys, log: SaidByTheLog) -> None:
    log.names = [keys.own[0].text]
    await keys.look_back()
    await keys.read()
    log.names.append(f"{ORIGIN}+0+A")
    await keys.look_back()
    assert keys._has_looked_back, "once is enough: what comes later is read as a leaf"
    keys._has_looked_back = False
    with pytest.raises(TreeKeyRefused, match="its rotation was interrupted, or undone"):
        await keys.look_back()


async def test_a_notary_that_starts_waits_for_a_rotation_that_is_under_way(
    vault: Vault, keys: TreeKeys, log: SaidByTheLog, database: Settings
) -> None:
    secret = await new_secret(database, ORIGIN)
    await vault.add_tree_key(secret, 3)
    (new,) = [each for each in await known_keys(vault) if each not in keys.own]
    log.names = [new.text]
    looking = asyncio.create_task(keys.look_back())
    await vault.use_tree_key(3, 40, 50)
    await looking
    assert keys.own[0] == new


async def test_no_first_key_is_made_where_there_was_one(
    vault: Vault, database: Settings, log: SaidByTheLog, pool: Pool
) -> None:
    """Gained: whoever removed the rows had a key made under a new name, and then the old tree was refused with it."""
    await pool.execute("DELETE FROM vault.tree_keys")
    found = "a checkpoint is published: a backup was restored, or the rows were removed"
    with pytest.raises(TreeKeyRefused, match=f"{found}.*name an empty folder or another prefix in KEYTRAIL_TREE"):
        await open_tree_keys(database, vault, "log", log, "a checkpoint is published")
    assert await vault.tree_keys() == []


async def test_verify_names_a_key_that_should_not_sign_and_the_newest_that_does_not(
    vault: Vault, keys: TreeKeys, database: Settings
) -> None:
    new, old = keys.all
    note = str(await keys.signed(HEAD)).encode()
    names = [new.verifier.text]
    later = 30 + LATE + 1
    assert await differing_signers(vault, note, names, later) == []
    keys.all = [replace(old, until=None)]
    by_old = str(await keys.signed(HEAD)).encode()
    found = await differing_signers(vault, by_old, [old.verifier.text], later)
    assert [each.count(old.verifier.text) for each in found] == [1, 1, 0, 0]
    assert [each.count(new.verifier.text) for each in found] == [0, 0, 1, 1]
    assert await differing_signers(vault, by_old, [old.verifier.text], 20) == [], "it may be signed before"
    assert await differing_signers(vault, None, [], later) == []
