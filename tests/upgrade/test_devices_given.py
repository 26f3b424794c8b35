"""The version before had no audit devices. The new one is given a file of them over the data of the version before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_audit_devices_restored import called, calls, devices, has
from tests.installation import Installation, eventually
from tests.upgrade.before import VersionBefore


@pytest.mark.soak
def test_what_the_version_before_recorded_is_on_the_device(tmp_path: Path) -> None:
    """Before and after `keytrail upgrade finish`, and once each."""
    before = VersionBefore(tmp_path / "before")
    audit, file = tmp_path / "audit", tmp_path / "devices.toml"
    audit.mkdir(mode=0o700)
    file.touch(mode=0o600)
    archive = audit / "archive.jsonl"
    file.write_text(f'[[file]]\nname = "archive"\npath = "{archive}"\n')
    with Installation(tmp_path / "data", variables=before.environment) as running:
        of_before = called(running, 5)
        running.stop()
        for name in before.environment:
            del running.extra[name]
        running.extra["KEYTRAIL_AUDIT_DEVICES_FILE"] = str(file)
        running.start()
        eventually(lambda: has(archive, of_before))
        meanwhile = called(running, 3)
        eventually(lambda: has(archive, meanwhile))
        (finished,) = running.answers("upgrade", "finish")
        assert finished["raised"], "the version before began this log"
        last = called(running, 3)
        eventually(lambda: has(archive, last))
        running.caught_up()
        history = {each["call_id"] for each in running.answers("decisions", "--limit", "100000")}
        assert history >= of_before | meanwhile | last
        eventually(lambda: has(archive, history))
        assert devices(running)["archive"]["fault"] == ""
    assert set(calls(archive).values()) == {1}
