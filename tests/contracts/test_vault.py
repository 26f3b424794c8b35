"""The vault: sealed material opens again only under its own names and the right key."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from domain.ports import Unavailable
from domain.state.world import World
from services.adapters import master_key
from services.adapters.master_key import FileMasterKey, MasterKeyRefused
from services.adapters.postgres import Pool, connect
from services.adapters.vault import Vault
from services.ownership import NotOurs, _written_beside
from services.runtime.bootstrap import open_vault
from services.writer.vault_upkeep import VaultUpkeep
from tests.contracts.adapters import VAULTS
from tests.installation import Installation


async def nothing_is_known() -> str:
    return ""


@pytest.fixture
async def vault(installation: Installation) -> AsyncIterator[Vault]:
    pool = await connect(installation.settings)
    yield open_vault(installation.settings, pool)
    await pool.close()


@pytest.fixture(params=VAULTS)
async def any_vault(request: pytest.FixtureRequest) -> AsyncIterator[Vault]:
    async with VAULTS[request.param](lambda: request.getfixturevalue("installation").settings) as found:
        yield found


async def test_material_comes_back_and_no_other_key_gets_it(any_vault: Vault) -> None:
    key, material, secret = uuid4().hex, uuid4().hex, os.urandom(32)
    await any_vault.put_material(key, material, secret)
    assert await any_vault.material(key, material) == secret
    with pytest.raises(Unavailable):
        await any_vault.material("another", material)


async def test_material_that_was_destroyed_is_gone(any_vault: Vault) -> None:
    key, (gone, kept) = uuid4().hex, (uuid4().hex, uuid4().hex)
    for each in (gone, kept):
        await any_vault.put_material(key, each, b"x" * 32)
    assert await any_vault.destroy([gone, uuid4().hex]) == 1
    assert {gone, kept} & (await any_vault.materials()).keys() == {kept}


async def test_a_secret_is_that_of_its_access_key_and_can_be_replaced(any_vault: Vault) -> None:
    name = f"AKIA{uuid4().hex[:16].upper()}"
    assert await any_vault.secret(name) is None
    for secret in ("first", "second"):
        await any_vault.put_secret(name, secret)
        assert await any_vault.secret(name) == secret


async def test_material_that_no_event_refers_to_is_left_alone_for_an_hour(any_vault: Vault) -> None:
    """Its event may still be on its way."""
    key, material = uuid4().hex, uuid4().hex
    await any_vault.put_material(key, material, b"x" * 32)
    assert (await any_vault.materials())[material] is False


async def test_the_root_secret_is_the_first_secret_of_records(any_vault: Vault) -> None:
    assert (await any_vault.record_secrets())[0] == await any_vault.root()


async def test_material_is_bound_to_its_key(vault: Vault, installation: Installation) -> None:
    """A row that somebody moved to another key does not open."""
    key, material = uuid4().hex, uuid4().hex
    await vault.put_material(key, material, b"x" * 32)
    pool = await connect(installation.settings)
    await pool.execute("UPDATE vault.materials SET key = 'moved' WHERE material = $1", material)
    await pool.close()
    with pytest.raises(MasterKeyRefused):
        await vault.material("moved", material)


async def test_material_without_an_event_is_swept_after_an_hour(vault: Vault, installation: Installation) -> None:
    """In the look that also finds what is missing: the table is read once for both."""
    old, new, used, doomed, lost = (uuid4().hex for _ in range(5))
    pool = await connect(installation.settings)
    world, missing = World(log="log"), list[set[str]]()
    world.key_index.materials.update((await vault.materials()).keys(), [used, lost])
    world.key_index.destroyed[doomed] = 0
    world.access_keys.update(dict.fromkeys(await _secrets(pool), "111122223333"))
    for material in (old, new, used, doomed):
        await vault.put_material("key", material, b"x" * 32)
    hours_ago = "UPDATE vault.materials SET at = now() - interval '2 hours' WHERE material = ANY($1::text[])"
    await pool.execute(hours_ago, [old, used, doomed])

    async def told(log: str, lacking: set[str], keys: list[str]) -> bool:
        missing.append(lacking)
        return True

    proven = 0

    async def leads() -> None:
        nonlocal proven
        proven += 1

    await VaultUpkeep(vault, told).sweep(world, leads)
    assert missing == [{lost}]
    assert proven == 1
    assert {old, new, used, doomed} & (await vault.materials()).keys() == {new, used, doomed}
    await pool.execute("DELETE FROM vault.materials WHERE key = 'key'")
    await pool.close()


async def _secrets(pool: Pool) -> list[str]:
    return [row["access_key"] for row in await pool.fetch("SELECT access_key FROM vault.secrets")]


async def test_secrets_that_no_access_key_has_are_swept(vault: Vault, installation: Installation) -> None:
    pool = await connect(installation.settings)
    old, new, used = (f"AKIA{uuid4().hex[:16].upper()}" for _ in range(3))
    known = {row["access_key"] for row in await pool.fetch("SELECT access_key FROM vault.secrets")} | {used}
    for access_key in (old, new, used):
        await vault.put_secret(access_key, "secret")
    await pool.execute(
        "UPDATE vault.secrets SET at = now() - interval '2 hours' WHERE access_key = ANY($1::text[])", [old, used]
    )
    gone = sorted(await vault.old_secrets() - known)
    assert gone == [old]
    assert await vault.remove_secrets(gone) == 1
    assert [await vault.secret(each) for each in (old, new, used)] == [None, "secret", "secret"]
    await pool.close()


def test_a_master_key_is_made_once_with_mode_0600_and_never_printed(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    master_key.make(path)
    first = path.read_bytes()
    master_key.make(path)
    assert path.read_bytes() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.strip().decode() not in repr(FileMasterKey(path))


NO_SPACE = """
import resource, sys
from pathlib import Path
from services.adapters import master_key
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    master_key.make(Path(sys.argv[1]))
except OSError as fault:
    print(fault.strerror)
"""


def test_a_master_key_that_a_full_disk_did_not_take_is_made_later(tmp_path: Path) -> None:
    """An empty file was left, and the next start refused it."""
    path = tmp_path / "master.key"
    full = subprocess.run([sys.executable, "-c", NO_SPACE, str(path)], capture_output=True, text=True, check=True)
    assert full.stdout == "File too large\n"
    assert list(tmp_path.iterdir()) == []
    master_key.make(path)
    FileMasterKey(path)


def test_a_place_for_the_master_key_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(NotOurs, match="loop is not a folder"):
        master_key.make(tmp_path / "loop" / "master.key")


@pytest.mark.parametrize("content", [b"", b"short", b"!" * 44, b"QUFB\n"])
def test_a_file_that_is_not_a_master_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(MasterKeyRefused):
        FileMasterKey(path)


def test_a_master_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    master_key.make(path)
    path.chmod(0o644)
    with pytest.raises(MasterKeyRefused, match="chmod 600"):
        FileMasterKey(path)


def test_a_destruction_that_was_killed_halfway_keeps_no_later_rotation_away(tmp_path: Path) -> None:
    """The file of retired keys was overwritten, and not removed any more: every rotation was refused until somebody removed it."""
    path = tmp_path / "master.key"
    master_key.make(path)
    master = FileMasterKey(path)
    for _ in range(2):
        retired = master.retire(master.add())
        retired.write_bytes(b"\0" * retired.stat().st_size)
    assert (master.destroy_retired(), retired.exists()) == ([], False)
    old, new = master.newest(), master.add()
    master.retire(new)
    assert (master.destroy_retired(), retired.exists()) == ([old], False)


def test_what_a_killed_process_left_of_a_destroyed_master_key_goes_too(tmp_path: Path) -> None:
    """A rotation that was killed before a file got its name left a copy of the old key, which "was destroyed" later."""
    path = tmp_path / "master.key"
    master_key.make(path)
    master = FileMasterKey(path)
    old, others = path.read_text(), tmp_path / ".master.key.bak"
    others.write_text("somebody's own")
    left = [_written_beside(each, old) for each in (path, master.retired)]
    held = [each.open("rb") for each in left]  # what a reader of the disk finds of them
    master.retire(master.add())
    master.destroy_retired()
    assert [each.read().strip(b"\0") for each in held] == [b"", b""]
    assert {each.name for each in tmp_path.iterdir()} == {"master.key", ".master.key.bak"}
    for each in held:
        each.close()


def test_no_file_that_held_a_destroyed_master_key_is_left_whole(tmp_path: Path) -> None:
    """Each was replaced, and so removed with the key in it; only the last copy of the key was overwritten."""
    path = tmp_path / "master.key"
    master_key.make(path)
    master, held = FileMasterKey(path), [path.open("rb", buffering=0)]
    for _ in range(2):
        new = master.add()
        held.append(path.open("rb", buffering=0))
        held.append(master.retire(new).open("rb", buffering=0))
        held.append(path.open("rb", buffering=0))
    master.destroy_retired()
    *former, present = held
    assert {each.read().strip(b"\0") for each in former} == {b""}
    assert present.read() == path.read_bytes()
    for each in held:
        each.close()


def test_a_rotation_replaces_the_master_key_that_a_link_leads_to(tmp_path: Path) -> None:
    """The link was replaced by a file. The former file stayed where the link had led, with the key that was destroyed."""
    elsewhere = tmp_path / "safe" / "master.key"
    master_key.make(elsewhere)
    link = tmp_path / "data" / "master.key"
    link.parent.mkdir()
    link.symlink_to(Path("..") / "safe" / "master.key")
    master = FileMasterKey(link)
    old, new = master.newest(), master.add()
    assert FileMasterKey(elsewhere).names() == [old, new]
    assert master.retire(new) == master.retired == elsewhere.with_name("master.key.retired")
    assert FileMasterKey(master.retired).names() == [old]
    assert master.destroy_retired() == [old]
    assert link.readlink() == Path("..") / "safe" / "master.key"
    assert FileMasterKey(link).names() == FileMasterKey(elsewhere).names() == [new]
    assert {*tmp_path.rglob("*master.key*")} == {link, elsewhere}


def test_a_file_of_the_master_key_that_somebody_gave_another_name_stays(tmp_path: Path) -> None:
    """It may be his backup of the key, and the vault's rows are still under it."""
    path, kept = tmp_path / "master.key", tmp_path / "kept"
    master_key.make(path)
    os.link(path, kept)
    key = path.read_text()
    FileMasterKey(path).add()
    assert kept.read_text() == key


def test_a_master_key_that_is_replaced_just_as_it_is_opened_is_read(tmp_path: Path) -> None:
    """A process that starts during a rotation opened the former file, and read what was left of it."""
    path = tmp_path / "master.key"
    master_key.make(path)
    others = [FileMasterKey(path)]
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            others.append(FileMasterKey(path))

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read)
        for _ in range(100):
            others[0].retire(others[0].add())
        ended.set()
        reading.result()
    assert len(others) > 1


def test_the_other_name_of_the_master_key_goes_and_the_key_stays(tmp_path: Path) -> None:
    """A start that was killed just as it had made the key leaves one file with two names."""
    path = tmp_path / "master.key"
    master_key.make(path)
    os.link(path, tmp_path / ".master.key.17.4711")
    master, key = FileMasterKey(path), path.read_text()
    assert master.destroy_retired() == []
    assert (path.read_text(), [each.name for each in tmp_path.iterdir()]) == (key, ["master.key"])


async def test_another_master_key_is_refused(installation: Installation, tmp_path: Path) -> None:
    pool = await connect(installation.settings)
    master_key.make(tmp_path / "other.key")
    with pytest.raises(MasterKeyRefused, match="not the key that sealed it"):
        await Vault(pool, FileMasterKey(tmp_path / "other.key")).prepare(nothing_is_known)
    await pool.close()
