"""Audit devices of an installation that was restored from a backup: nothing is left out or refused, and what is there twice has one
id."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asyncpg import UndefinedTableError

from services.audit_devices.device_rows import SCHEMA
from tests.installation import Installation, eventually

DEVICES = """
[[file]]
name = "archive"
path = "{folder}/archive.jsonl"

[[file]]
name = "lately"
path = "{folder}/lately.jsonl"
begin = "now"
"""


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("ascii").splitlines()] if file.exists() else []


def calls(file: Path) -> Counter[tuple[str, str]]:
    """How often each call is in the file, by its id and that of its record."""
    return Counter((each["call_id"], each["id"]) for each in lines(file))


def called(running: Installation, count: int) -> set[str]:
    """The ids of new calls, changes and uses."""
    kms, made = running.client(), set()
    for _ in range(count):
        key = kms.create_key()
        made |= {
            each["ResponseMetadata"]["RequestId"]
            for each in (key, kms.encrypt(KeyId=key["KeyMetadata"]["KeyId"], Plaintext=b"x"))
        }
    return made


def devices(running: Installation) -> dict[str, Any]:
    """What is kept of each, by name."""
    found: dict[str, Any] = json.loads(running.keytrail("status", "--json").stdout)["audit_devices"]
    return found


def begun(running: Installation) -> set[str]:
    """The names of those that have begun. One that is only named has no position yet, and begins later."""

    async def with_position() -> set[str]:
        async with running.connected() as pool:
            with suppress(UndefinedTableError):
                rows = await pool.fetch(f"SELECT device FROM {SCHEMA}.devices WHERE document <> ''")
                return {row["device"] for row in rows}
        return set()

    return asyncio.run(with_position())


def has(file: Path, wanted: set[str]) -> bool:
    return wanted <= {call for call, _ in calls(file)}


@pytest.mark.soak
def test_a_restored_installation_goes_on_with_the_same_files(tmp_path: Path) -> None:
    """Its database has no positions of devices. Each begins again, and so writes what it wrote before with the ids that it had; one
    that begins now writes what comes after the restore."""
    audit, file = tmp_path / "audit", tmp_path / "devices.toml"
    audit.mkdir(mode=0o700)
    file.touch(mode=0o600)
    file.write_text(DEVICES.format(folder=audit))
    settings = {"KEYTRAIL_AUDIT_DEVICES_FILE": str(file), "KEYTRAIL_DECISION_PARTITIONS": "2"}
    backup, archive, lately = tmp_path / "it.backup", audit / "archive.jsonl", audit / "lately.jsonl"
    with Installation(tmp_path / "first", variables=settings) as first:
        eventually(lambda: "lately" in begun(first))
        kept = called(first, 10)
        eventually(lambda: has(archive, kept))
        first.keytrail("backup", str(backup))
        lost = called(first, 3)
        eventually(lambda: has(archive, lost) and has(lately, lost))
    before, before_lately = calls(archive), calls(lately)

    (tmp_path / "restored").mkdir()
    shutil.copy(tmp_path / "first" / "master.key", tmp_path / "restored")
    restored = Installation(tmp_path / "restored", variables=settings)
    restored.keytrail("restore", str(backup))
    with restored:
        eventually(lambda: "lately" in begun(restored))
        new = called(restored, 3)
        eventually(lambda: has(archive, new) and has(lately, new))
        assert {name: each["fault"] for name, each in devices(restored).items()} == {"archive": "", "lately": ""}
    after, log = calls(archive), (tmp_path / "restored" / "logs" / "audit-devices.log").read_text()
    assert before.keys() <= after.keys(), "each record has the id that it had"
    twice = {call for (call, _), count in after.items() if count == 2}
    assert kept <= twice, "nothing of the backup is left out"
    assert {call for call, _ in after} >= kept | lost | new
    assert not lost & twice, "the restored log does not have them"
    assert set(after.values()) <= {1, 2}
    assert {call for call, _ in calls(lately)} - {call for call, _ in before_lately} >= new
    assert not kept & {call for (call, _), count in calls(lately).items() if count > 1}
    assert [each for each in lines(archive) if each.get("type") == "gap"] == []
    assert "begins again" not in log
    assert {json.loads(line)["level"] for line in log.splitlines() if line.startswith("{")} <= {"info", "warning"}
    assert "audit devices" in log
