"""The note of the log's level: each writer that leads brings it to what the log says, and leaves a right one alone."""

from __future__ import annotations

import pytest

from domain.log.levels import FIRST, FIRST_VERSION, LEVEL, LEVEL_VERSION
from services.adapters import level_mark
from services.adapters.keyring import VaultKeyring
from services.adapters.postgres import Pool
from tests.logs import a_log

FIRST_LEVEL, THIS_LEVEL = (FIRST, FIRST_VERSION), (LEVEL, LEVEL_VERSION)


async def written(pool: Pool) -> tuple[object, ...]:
    """Which transaction wrote the row, and what it says."""
    row = await pool.fetchrow("SELECT xmin::text, log, level, version, position FROM present.level")
    assert row is not None
    return tuple(row)


async def test_a_note_that_is_right_is_not_written_again(pool: Pool, keys: VaultKeyring) -> None:
    log = a_log()
    await level_mark.keep(pool, keys, log.fold().chain, *FIRST_LEVEL)
    before = await written(pool)
    await level_mark.keep(pool, keys, log.fold().chain, *FIRST_LEVEL)
    assert await written(pool) == before


async def test_a_raised_level_is_noted(pool: Pool, keys: VaultKeyring) -> None:
    await level_mark.keep(pool, keys, a_log().fold().chain, *FIRST_LEVEL)
    await level_mark.keep(pool, keys, a_log().fold().chain, *THIS_LEVEL)
    assert await level_mark.noted(pool) == THIS_LEVEL


@pytest.mark.parametrize(
    "change", ["level = 1, version = '0.1.0'", "log = 'another'", "mac = 'forged'", "position = 7"]
)
async def test_a_note_that_somebody_changed_is_written_anew(pool: Pool, keys: VaultKeyring, change: str) -> None:
    chain = a_log().fold().chain
    await level_mark.keep(pool, keys, chain, *THIS_LEVEL)
    right = await written(pool)
    await pool.execute(f"UPDATE present.level SET {change}")
    await level_mark.keep(pool, keys, chain, *THIS_LEVEL)
    assert (await written(pool))[1:] == right[1:]
