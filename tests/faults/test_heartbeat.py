"""The file by which a probe knows that a process is alive."""

from __future__ import annotations

import asyncio
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from services.inherited import python
from services.runtime import heartbeat
from services.settings import Settings
from tests.installation import Installation, clean_environment, eventually, free_port


async def test_it_stops_when_the_event_loop_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY", 0.01)
    file = tmp_path / "heartbeat"
    heartbeat.keep_beating(Settings(heartbeat_file=str(file)))
    first = file.stat().st_mtime_ns
    await asyncio.sleep(0.1)
    later = file.stat().st_mtime_ns
    assert later > first
    time.sleep(0.1)  # noqa: ASYNC251  # this is what hangs
    assert file.stat().st_mtime_ns == later


def test_a_writer_is_behind_until_it_could_lead(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    caught_up = heartbeat.begin_behind(Settings(heartbeat_file=str(file)))
    assert [each.name for each in tmp_path.iterdir()] == [f"heartbeat{heartbeat.BEHIND}"]
    for _ in range(2):
        caught_up()
        assert list(tmp_path.iterdir()) == []
    heartbeat.begin_behind(Settings())()


def test_what_a_former_process_left_is_no_start(tmp_path: Path) -> None:
    """A container that starts again finds the folder as it was. Its probe would hold the start to the limits of a running process."""
    file = tmp_path / "heartbeat"
    file.touch()
    environment = clean_environment() | {
        "KEYTRAIL_HEARTBEAT_FILE": str(file),
        "KEYTRAIL_POSTGRES": f"postgresql://keytrail@127.0.0.1:{free_port()}/keytrail",
        "KEYTRAIL_KAFKA": f"127.0.0.1:{free_port()}",
    }
    for program in ("writer", "projector", "alert_worker", "notifier", "audit_devices", "notary"):
        ended = subprocess.run(python(f"services.{program}"), env=environment, capture_output=True, check=False)
        assert ended.returncode, "there is no database"
        assert not file.exists(), program
        file.touch()


def test_a_process_that_stands_by_beats_and_answers_prometheus(installation: Installation, tmp_path: Path) -> None:
    """The projector of the installation works, so this one waits. Its probe has to find it alive all the same."""
    port = free_port()
    file = tmp_path / "heartbeat"
    settings = installation.settings
    environment = settings.environment() | settings.secrets() | {"KEYTRAIL_HEARTBEAT_FILE": str(file)}
    environment["KEYTRAIL_METRICS_PORT"] = str(port)
    root = installation.credentials()
    environment |= {
        "KEYTRAIL_ROOT_ACCESS_KEY_ID": root["AWS_ACCESS_KEY_ID"],
        "KEYTRAIL_ROOT_SECRET_ACCESS_KEY": root["AWS_SECRET_ACCESS_KEY"],
    }
    with (tmp_path / "log").open("w") as output:
        process = subprocess.Popen(python("services.projector"), env=clean_environment() | environment, stderr=output)
        try:
            eventually(lambda: "standing by" in (tmp_path / "log").read_text())
            assert time.time() - file.stat().st_mtime < heartbeat.EVERY + 1
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
            assert "\nkeytrail_projector_time_seconds 0.0\n" in text
            assert "keytrail_projector_lag{" not in text, "it does not know it"
        finally:
            process.kill()
            process.wait()
