"""A backup is not restored onto an earlier installation's counts, notifications and projections. They go on from
positions of topics that no longer exist, and their MACs are valid again once the vault's root secret is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.postgres import connect
from services.backup.restoration import NotEmpty, restore
from services.settings import Settings


@pytest.mark.parametrize("schema", ["alerting", "auditing", "notifying", "p_keys", "p_alerts", "p_history"])
async def test_a_restore_refuses_the_remains_of_an_earlier_installation(schema: str, database: Settings) -> None:
    pool = await connect(database)
    try:
        assert not await pool.fetchval("SELECT to_regnamespace('vault') IS NOT NULL"), "the vault is gone"
        await pool.execute(f"CREATE SCHEMA {schema}")
        with pytest.raises(NotEmpty, match=f"DROP SCHEMA {schema} CASCADE"):
            await restore(database, Path("never read"), 8, lambda *_: None)
        await pool.execute(f"DROP SCHEMA {schema} CASCADE")
        with pytest.raises(NotEmpty, match="holds records already"):  # the shared installation's topics
            await restore(database, Path("never read"), 8, lambda *_: None)
    finally:
        await pool.close()
