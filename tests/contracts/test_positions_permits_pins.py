"""Rows that are seldom written, after a rotation of the log keys: positions of projections, permissions to skip,
pins."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.log import lane
from domain.log.authenticity import PERMIT
from domain.log.authority import Authority
from projections.registry import PROJECTIONS
from services.adapters import pins, skips
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from services.log_keys.rotation import LogKeys
from services.projector import store
from services.runtime.bootstrap import open_vault
from services.settings import Settings
from tests.keys import OTHER, ROOT, process_keys
from tests.projections.test_projections import ENTRIES, REACHED
from tests.telling import Vault

BEFORE, AFTER = process_keys(ROOT), process_keys(ROOT, OTHER)
OLD, NEW = AFTER.names()
DECISIONS = PROJECTIONS["decisions"]
TABLES = ("positions", "lanes", "anchors")


async def macs(pool: Pool, schema: str = DECISIONS.schema) -> set[str]:
    found: set[str] = set()
    for table in TABLES:
        found |= {row["mac"].partition(":")[0] for row in await pool.fetch(f"SELECT mac FROM {schema}.{table}")}
    return found


async def filled(pool: Pool, keys: VaultKeyring = BEFORE) -> None:
    """With lanes of a worker that is gone."""
    to = store.ReadTo(dict(REACHED), "digest")
    to.lanes, to.anchored = {("gone", 0): lane.Reached(4, "d", 0)}, {("gone", 0): 4}
    async with pool.acquire() as connection:
        await connection.execute(f"DROP SCHEMA IF EXISTS {DECISIONS.schema} CASCADE")
        await store.prepare(connection, DECISIONS, "log", keys)
        await store.take_in(connection, DECISIONS, ENTRIES, to, keys)


async def nothing_new(pool: Pool, keys: VaultKeyring, retired: Collection[str] = ()) -> None:
    to = store.ReadTo(dict(REACHED), "digest", Authority("log", 0, "", NEW, {name: {} for name in retired}))
    async with pool.acquire() as connection:
        await store.take_in(connection, DECISIONS, [], to, keys)


async def started(pool: Pool, keys: VaultKeyring, retired: Collection[str]) -> bool:
    """Whether a starting projector goes on from the positions."""
    async with pool.acquire() as connection:
        await store.prepare(connection, DECISIONS, "log", keys, retired=retired)
        return bool(await store.positions(connection, DECISIONS.schema))


async def test_positions_are_resealed_with_the_next_batch(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    await filled(pool)
    assert await macs(pool) == {OLD}
    assert await started(pool, AFTER, ()), "the log has not retired the key yet"
    await nothing_new(pool, AFTER)
    assert await macs(pool) == {NEW}
    assert await started(pool, AFTER, [OLD])
    assert "error" not in capsys.readouterr().out


async def test_a_projector_that_has_not_heard_of_it_writes_nothing_under_the_key_of_before(pool: Pool) -> None:
    """The command that rotates has resealed them."""
    await filled(pool)
    vault = Vault()
    late = VaultKeyring(vault, vault.secrets, strict=True)
    vault.secrets = [ROOT, OTHER]
    async with pool.acquire() as connection:
        await store.seal_anew(connection, DECISIONS, AFTER, DECISIONS.schema, ())
        await store.seal_anew(connection, DECISIONS, AFTER, DECISIONS.schema, ())
    to = store.ReadTo({where: after + 1 for where, after in REACHED.items()}, "digest", since="digest")
    to.anchored = {("gone", 0): 5}
    async with pool.acquire() as connection:
        await store.take_in(connection, DECISIONS, [], to, late)
    assert await macs(pool) == {NEW}


async def test_positions_of_every_projection_are_sealed_before_the_key_is_retired(
    database: Settings, pool: Pool
) -> None:
    await filled(pool)
    command = LogKeys(database, pool, open_vault(database, pool), AFTER, lambda *_: None)
    await command._seal_positions(Authority("log", 0, "", NEW))
    assert await macs(pool) == {NEW}
    await command.close()


FORGED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "a position": ("positions", ("decisions", 63, 1_000_000, "", "")),
    "a lane": ("lanes", ("worker", 0, 1_000_000, "d", 0)),
    "an anchor": ("anchors", ("worker", 0, 1_000_000)),
}


@pytest.mark.parametrize("what", FORGED)
async def test_positions_under_a_retired_key_are_not_believed(
    pool: Pool, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor are they resealed as Keytrail's."""
    await filled(pool, AFTER)
    table, row = FORGED[what]
    ((*_, mac),) = store._with_macs(BEFORE, DECISIONS, [row])
    marks = ", ".join(f"${number}" for number in range(1, len(row) + 2))
    await pool.execute(f"INSERT INTO {DECISIONS.schema}.{table} VALUES ({marks})", *row, mac)
    with pytest.raises(store.ProjectionChanged) if table == "positions" else nullcontext():
        await nothing_new(pool, AFTER, [OLD])
    assert await macs(pool) == {OLD, NEW}
    assert not await started(pool, AFTER, [OLD])
    assert "is rebuilt" in capsys.readouterr().out


async def test_a_permission_to_skip_under_the_former_key_permits_nothing(pool: Pool) -> None:
    vault = Vault()
    keys = VaultKeyring(vault, vault.secrets, strict=True)
    await pool.execute("CREATE SCHEMA IF NOT EXISTS present")
    await skips.permit(pool, keys, "log", 7)
    assert await skips.permitted(pool, keys, "log", 7)
    vault.secrets = [ROOT, OTHER]  # and this writer has not read the rotation
    await pool.execute(
        "INSERT INTO present.permits (id, log, next_command, mac) VALUES ('a', 'log', 7, $1)",
        BEFORE.mac(PERMIT, "a", "log", 7),
    )
    assert not await skips.permitted(pool, keys, "log", 7)
    await skips.permit(pool, AFTER, "log", 7)
    assert await skips.permitted(pool, keys, "log", 7)


async def test_pins_are_resealed(database: Settings, pool: Pool, tmp_path: Path) -> None:
    vault, settings = open_vault(database, pool), replace(database, data=tmp_path)
    await vault.migrate()
    await pool.execute("DELETE FROM vault.pin")
    authority = Authority("log", 3, "digest", OLD)
    for keys, name in ((BEFORE, OLD), (AFTER, NEW), (BEFORE, NEW), (AFTER, NEW)):  # the third is a process that lags
        await pins.keep(settings, vault, keys, authority)
        kept = pins._kept(tmp_path / "pin.json")
        assert kept == await vault.pin()
        assert kept is not None
        assert kept[1].partition(":")[0] == name
    await vault.keep_pin("another", "mac", "of a pin that is not there any more")
    assert await vault.pin() == kept


async def test_a_pin_keeps_the_last_rotation_wherever_it_is_known(
    database: Settings, pool: Pool, tmp_path: Path
) -> None:
    """A writer pins the log at each start and does not know where a rotation was recorded; nor does another machine's file."""
    vault, settings = open_vault(database, pool), replace(database, data=tmp_path)
    await vault.migrate()
    await pool.execute("DELETE FROM vault.pin")

    async def pinned() -> list[Any]:
        kept = await vault.pin()
        assert kept is not None
        assert kept == pins._kept(tmp_path / "pin.json")
        return [pins._rotated(json.loads(kept[0])), kept[1].partition(":")[0]]

    authority = Authority("log", 3, "digest", OLD)
    first, second = pins.PinnedRecord(7, "a"), pins.PinnedRecord(9, "b")
    await pins.keep(settings, vault, BEFORE, authority)
    assert await pinned() == [None, OLD]
    await pins.keep(settings, vault, AFTER, authority, first)
    assert await pinned() == [first, NEW]
    for keys in (AFTER, BEFORE):  # the second is a process that has not read the rotation
        await pins.keep(settings, vault, keys, authority)
        assert await pinned() == [first, NEW]
    (tmp_path / "pin.json").unlink()  # another machine
    await pins.keep(settings, vault, AFTER, authority)
    assert await pinned() == [first, NEW]
    await pins.keep(settings, vault, AFTER, authority, second)
    await pool.execute("DELETE FROM vault.pin")
    await pins.keep(settings, vault, AFTER, authority, first)
    assert await pinned() == [second, NEW]
    stranger = json.dumps({"log": "log", "since": 3, "digest": "digest", "rotated": {"position": 99, "digest": "c"}})
    await pool.execute("UPDATE vault.pin SET document = $1", stranger)
    await pins.keep(settings, vault, AFTER, authority)
    assert await pinned() == [second, NEW], "its MAC is not of this document"
