"""A restore's hold on deletions and expiries: for one log, until an operator lifts it, and only if Keytrail put it there."""

from __future__ import annotations

from services.adapters import due_hold
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from tests.contracts.test_positions_permits_pins import AFTER, BEFORE


async def test_a_hold_stands_for_its_log_until_it_is_lifted(pool: Pool, keys: VaultKeyring) -> None:
    assert not await due_hold.stands(pool, keys, "log"), "no restore has made the table"
    await due_hold.put(pool, keys, "log")
    await due_hold.put(pool, keys, "log")
    assert [await due_hold.stands(pool, keys, name) for name in ("log", "other")] == [True, False]
    await due_hold.lift(pool, "other")
    assert await due_hold.stands(pool, keys, "log")
    await due_hold.lift(pool, "log")
    assert not await due_hold.stands(pool, keys, "log")


async def test_a_rotation_of_the_key_of_records_lifts_no_hold(pool: Pool) -> None:
    await due_hold.put(pool, BEFORE, "log")
    assert await due_hold.stands(pool, AFTER, "log")


async def test_a_hold_that_somebody_else_wrote_holds_nothing(pool: Pool, keys: VaultKeyring) -> None:
    await due_hold.put(pool, keys, "log")
    await pool.execute("UPDATE present.due_holds SET log = 'another'")
    assert not await due_hold.stands(pool, keys, "another")
