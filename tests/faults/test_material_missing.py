"""A row of the vault is gone: an operator hears of it before somebody needs the key."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.cli.client import Client
from tests.installation import Installation, eventually


def test_the_leading_writer_says_which_keys_the_vault_lacks(tmp_path: Path) -> None:
    with Installation(tmp_path / "data") as installation:
        lost, kept = (installation.client().create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
        asyncio.run(remove(installation, lost))
        installation.process("writer-1").kill()  # the next term begins with a look

        def raised() -> list[dict[str, str]]:
            found = Client(installation.data).get("/v1/alerts")["items"]
            return [each for each in found if each["rule"] == "material-missing"]

        (alert,) = eventually(raised)
        assert "Keys: 1. Materials: 1" in alert["summary"]
        assert lost in alert["summary"]
        assert kept not in alert["summary"]


async def remove(installation: Installation, key: str) -> None:
    async with installation.connected() as pool:
        await pool.execute("DELETE FROM vault.materials WHERE key = $1", key)
