"""The unit that runs one process: systemd understands it, it names settings that exist, and it is closed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.arrangement import PROCESSES
from tests.house.test_house import NAMES, ROOT, SETTINGS

UNIT = ROOT / "deploy" / "systemd" / "keytrail@.service"
INTERPRETER = "/opt/keytrail/.venv/bin/python"
MOST_EXPOSED = 1.5
"""Of 10, by systemd's own count."""


@pytest.fixture
def api(tmp_path: Path) -> Path:
    """The unit of an API, with an interpreter that this machine has."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd-analyze")
    unit = tmp_path / "keytrail@api.service"
    unit.write_text(UNIT.read_text().replace(INTERPRETER, sys.executable))
    return unit


def analysed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_systemd_understands_it(api: Path) -> None:
    done = analysed("verify", api)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_leaves_a_process_few_rights(api: Path) -> None:
    done = analysed("security", "--offline=true", f"--threshold={int(MOST_EXPOSED * 10)}", api)
    assert done.returncode == 0, done.stdout


def test_it_is_never_given_up() -> None:
    """A process that ends because Kafka or Postgres is away has to be there when they come back."""
    unit = UNIT.read_text()
    assert "\nStartLimitIntervalSec=0\n" in unit.partition("[Service]")[0]
    assert "\nRestart=always\n" in unit


def test_it_names_settings_and_processes_that_exist() -> None:
    text = UNIT.read_text()
    assert set(re.findall(r"KEYTRAIL_[A-Z_]+[A-Z]", text)) <= SETTINGS | NAMES
    programs = {each.module.removeprefix("services.") for each in PROCESSES} - {"cli"}
    assert set(re.findall(r"keytrail@(\w+)", text)) == programs
