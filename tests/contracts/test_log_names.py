"""The name under which a log signs its checkpoints, in a real vault: nobody else's, and the same at every start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.adapters.keyring import open_keyring
from services.adapters.postgres import Pool
from services.adapters.vault import Vault
from services.notary.recorded_rotations import RecordedRotations
from services.notary.tree_keys import TreeKeys, open_tree_keys
from services.runtime.bootstrap import open_vault
from services.settings import Settings


async def a_new_installation() -> str:
    return ""


async def opened(settings: Settings, pool: Pool, vault: Vault) -> TreeKeys:
    keys = await open_keyring(vault)
    return await open_tree_keys(settings, vault, "log", RecordedRotations(settings, pool, keys), "")


@pytest.mark.parametrize(
    ("origin", "begins"), [("", "keytrail.invalid/log/"), ("keys.example.com/log/", "keys.example.com/log/")]
)
async def test_a_restored_installation_begins_a_log_of_another_name(
    database: Settings, pool: Pool, origin: str, begins: str
) -> None:
    """Its key is not in the backup. Under the former name its tree would be a second one, which witnesses refuse for good."""
    settings = replace(database, tree_origin=origin)
    names = []
    for _ in range(2):
        await pool.execute("DROP SCHEMA IF EXISTS vault CASCADE")  # a restore begins with a new vault
        vault = open_vault(settings, pool)
        await vault.prepare(a_new_installation)
        names.append((await opened(settings, pool, vault)).origin)
        assert (await opened(settings, pool, vault)).origin == names[-1]
    assert len(set(names)) == 2
    assert all(each.startswith(begins) and len(each) == len(begins) + 8 for each in names)


async def test_a_log_of_an_earlier_version_keeps_its_name(database: Settings, pool: Pool) -> None:
    settings = replace(database, tree_origin="keys.example.com/log")
    await pool.execute("DROP SCHEMA IF EXISTS vault CASCADE")
    vault = open_vault(settings, pool)
    await vault.prepare(a_new_installation)
    await vault.add_tree_key(bytes(32) + b"keys.example.com/log", 1, 0)
    assert (await opened(settings, pool, vault)).origin == "keys.example.com/log"
