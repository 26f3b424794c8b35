"""Keys of the transparency log that the version before made and rotated: it knows no seal of when they sign."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from services.adapters.postgres import connect
from services.settings import Settings
from tests.installation import eventually
from tests.upgrade.before import VersionBefore
from tests.upgrade.mixed import MixedInstallation

NAMES = ("api-1", "writer-1", "notary-1")


def sealed(settings: Settings) -> list[bool]:
    return [
        row["sealed"]
        for row in asked(settings, "SELECT times IS NOT NULL AS sealed FROM vault.tree_keys ORDER BY number")
    ]


def asked(settings: Settings, question: str) -> list[Any]:
    async def run() -> list[Any]:
        pool = await connect(settings)
        try:
            return list(await pool.fetch(question))
        finally:
            await pool.close()

    return asyncio.run(run())


def rotated(installation: MixedInstallation, of: VersionBefore | None) -> str:
    done = installation.keytrail("log", "rotate-key", "--json", of=of)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout)["new"]["key"])


def signing(installation: MixedInstallation) -> list[str]:
    """What the notary publishes."""
    file = installation.settings.tree_path / "key"
    return file.read_text().split() if file.exists() else []


@pytest.mark.soak
def test_they_sign_on_beside_the_version_before_and_are_sealed_when_the_upgrade_is_finished(
    tmp_path: Path, before: VersionBefore
) -> None:
    with MixedInstallation(tmp_path / "mixed", before, NAMES) as installation:
        (first,) = eventually(lambda: signing(installation), within=60)
        keys = [rotated(installation, before), first]
        eventually(lambda: signing(installation) == keys)
        done = installation.keytrail("log", "key")
        assert done.stdout.split() == keys, "a command of this version, before any process of it has started"
        installation.replace("notary-1", None)
        for of in (before, None, before):
            keys.insert(0, rotated(installation, of))
            eventually(lambda: signing(installation) == keys, within=60)
        assert sealed(installation.settings) == [True, True, True, True, False], "the last one is the other version's"
        for name in ("api-1", "writer-1"):
            installation.replace(name, None)
        assert installation.answer("upgrade", "finish")["raised"] is True
        assert sealed(installation.settings) == [True] * 5
        keys.insert(0, rotated(installation, None))
        eventually(lambda: signing(installation) == keys, within=60)
        found = installation.answer("verify", "--topics-only")
        assert found["whole"], found
        asked(installation.settings, "UPDATE vault.tree_keys SET times = NULL WHERE number = 2")
        log = installation.processes["notary-1"].log
        eventually(lambda: "vault.tree_keys, number 2)" in log.read_text(), within=60)
        refused = installation.keytrail("verify", "--topics-only", "--json")
        assert "vault.tree_keys, number 2)" in refused.stdout, refused.stdout + refused.stderr
