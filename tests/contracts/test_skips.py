"""An operator's permission to skip lost commands: for one log and one command, taken once."""

from __future__ import annotations

import asyncio
from types import ModuleType

import pytest

from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from tests.contracts.adapters import SKIPS


@pytest.fixture(params=SKIPS)
def skips(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = SKIPS[request.param]
    return found


async def test_without_a_permission_nothing_may_be_skipped(skips: ModuleType, pool: Pool, keys: VaultKeyring) -> None:
    assert not await skips.permitted(pool, keys, "log", 1)


async def test_a_permission_is_for_its_log_and_command_alone(skips: ModuleType, pool: Pool, keys: VaultKeyring) -> None:
    await skips.permit(pool, keys, "log", 7)
    asked = [("log", 6), ("log", 8), ("other", 7), ("log", 7)]
    assert [await skips.permitted(pool, keys, *each) for each in asked] == [False, False, False, True]


async def test_a_permission_is_taken_once(skips: ModuleType, pool: Pool, keys: VaultKeyring) -> None:
    await skips.permit(pool, keys, "log", 7)
    assert [await skips.permitted(pool, keys, "log", 7) for _ in range(3)] == [True, False, False]


async def test_of_writers_that_ask_together_one_may_skip(skips: ModuleType, pool: Pool, keys: VaultKeyring) -> None:
    await skips.permit(pool, keys, "log", 7)
    given = await asyncio.gather(*(skips.permitted(pool, keys, "log", 7) for _ in range(8)))
    assert sorted(given) == [False] * 7 + [True]


async def test_a_permission_that_was_given_twice_is_taken_as_one(
    skips: ModuleType, pool: Pool, keys: VaultKeyring
) -> None:
    """The operator's command landed, its answer was lost, and the operator gave it again."""
    await skips.permit(pool, keys, "log", 7)
    await skips.permit(pool, keys, "log", 7)
    assert [await skips.permitted(pool, keys, "log", 7) for _ in range(2)] == [True, False]


async def test_a_permission_that_another_command_was_written_into_permits_nothing(
    skips: ModuleType, pool: Pool, keys: VaultKeyring
) -> None:
    await skips.permit(pool, keys, "log", 7)
    await pool.execute("UPDATE present.permits SET next_command = 9")
    assert not await skips.permitted(pool, keys, "log", 9)
