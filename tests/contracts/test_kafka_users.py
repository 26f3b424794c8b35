"""SCRAM users of the kinds of processes, on the shared installation's broker, whose user may do everything there."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.ports import LogRefused
from services.adapters import access_lists
from services.adapters.kafka import administering
from services.arrangement import PROCESSES
from services.cluster.preparation import make_users
from services.settings import Settings
from tests.installation import Installation

USERS = [process.user for process in PROCESSES]


async def present(settings: Settings) -> set[str]:
    async with administering(settings) as client:
        return await access_lists.users_among(client, USERS)


async def test_users_are_made_once_and_keep_their_passwords(installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "users"
    files = await make_users(installation.settings, folder)
    assert await present(installation.settings) == set(USERS)
    passwords = [file.read_text() for file in files]
    assert await make_users(installation.settings, folder) == files, "twice is once"
    assert [file.read_text() for file in files] == passwords
    with pytest.raises(LogRefused) as refused:
        await make_users(installation.settings, tmp_path / "empty")
    assert all(user in str(refused.value) for user in USERS)
    assert not (tmp_path / "empty").exists(), "nothing was made"
    (folder / f"{USERS[0]}.password").write_text("\n")
    with pytest.raises(LogRefused, match="is empty"):
        await make_users(installation.settings, folder)
    (folder / f"{USERS[0]}.password").unlink()
    with pytest.raises(LogRefused, match=USERS[0]):
        await make_users(installation.settings, folder)
