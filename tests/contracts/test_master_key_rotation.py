"""`keytrail master-key rotate` on what interrupted rotations and restored backups leave in the file of the master key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.exceptions import Exit

from services.adapters import master_key
from services.adapters.master_key import FileMasterKey
from services.adapters.postgres import Pool
from services.adapters.vault import Vault
from services.cli.master_key import _rotate
from services.settings import Settings
from tests.contracts.test_vault import nothing_is_known


@pytest.fixture
async def settings(database: Settings, pool: Pool, tmp_path: Path) -> AsyncIterator[Settings]:
    """They name a new vault, with a row, and its master key."""
    found = replace(database, master_key_file=str(tmp_path / "master.key"))
    master_key.make(found.master_key_path)
    vault = Vault(pool, FileMasterKey(found.master_key_path))
    await vault.prepare(nothing_is_known)
    await vault.put_secret("AKIA", "a secret")
    yield found
    await pool.execute("DROP SCHEMA vault CASCADE")


async def rotated(settings: Settings, backup_to: Path | None = None, *, destroy: bool = False) -> tuple[str, list[str]]:
    """The new key's name, and which keys were destroyed."""
    name, _, _, destroyed = await _rotate(settings, lambda *_: None, destroy=destroy, backup_to=backup_to)
    return name, destroyed


async def test_a_rotation_whose_backup_failed_goes_on_with_the_same_key(settings: Settings, tmp_path: Path) -> None:
    """It made another key. Where the first had been copied to every machine, that one was on this machine alone."""
    master = FileMasterKey(settings.master_key_path)
    old, new = master.newest(), master.add()
    for _ in range(2):
        with pytest.raises(OSError, match="No such file"):
            await rotated(settings, tmp_path / "no folder" / "x.backup", destroy=True)
        assert FileMasterKey(settings.master_key_path).names() == [old, new]
    assert await rotated(settings, destroy=True) == (new, [old])
    assert _names_in(tmp_path) == ["master.key"]


def _names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_a_process_that_read_a_row_under_the_new_key_goes_on_sealing(settings: Settings, pool: Pool) -> None:
    """Given an API worker that had sealed something before a rotation, and read a row under the new key after it: it sealed under the
    key that it knew, which was gone, so no key and no access key could be made by it until it was started again."""
    worker = Vault(pool, FileMasterKey(settings.master_key_path))
    await worker.put_secret("AKIAONE", "one")
    await rotated(settings)
    assert await worker.secret("AKIAONE") == "one"
    await worker.put_secret("AKIATWO", "two")
    assert await worker.secret("AKIATWO") == "two"


async def test_the_key_of_a_restored_backup_is_taken_out_and_never_the_newer_one(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key of the backup was added as the last line, and taken for the newest: the newer one was moved out, and the one in force
    was to be destroyed."""
    master = FileMasterKey(settings.master_key_path)
    old_line, old = settings.master_key_path.read_text(), master.newest()
    new = master.add()
    new_line = settings.master_key_path.read_text().removeprefix(old_line)
    master.retire(new)

    settings.master_key_path.write_text(new_line + old_line)
    for destroy in (False, True):
        with pytest.raises(Exit):
            await rotated(settings, destroy=destroy)
        said = " ".join(capsys.readouterr().err.split())
        assert f"Put the line of {old} first in {settings.master_key_path}" in said
        assert settings.master_key_path.read_text() == new_line + old_line

    settings.master_key_path.write_text(old_line + new_line)
    assert await rotated(settings, destroy=True) == (new, [old])
    assert FileMasterKey(settings.master_key_path).names() == [new]


async def test_the_key_in_force_is_never_among_the_destroyed(settings: Settings) -> None:
    """An earlier version had moved it out, and somebody put its line back."""
    master = FileMasterKey(settings.master_key_path)
    old = master.newest()
    new = master.add()
    lines = settings.master_key_path.read_text()
    master.retire(old)
    settings.master_key_path.write_text(lines)
    assert FileMasterKey(master.retired).names() == [new]
    assert await rotated(settings, destroy=True) == (new, [old])
