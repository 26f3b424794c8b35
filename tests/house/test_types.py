"""mypy reads every Python file. A test that only `make soak` runs was broken for days by a signature that had changed."""

from __future__ import annotations

import subprocess
import tomllib
from typing import Any

from tests.house.test_house import ROOT

MYPY: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]


def test_mypy_reads_every_python_file() -> None:
    done = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {each.split("/")[0] for each in done.stdout.splitlines()} == set(MYPY["files"])
    assert "exclude" not in MYPY


def test_no_file_is_read_without_being_checked() -> None:
    assert MYPY["strict"] is True
    silent = {"ignore_errors", "follow_imports", "check_untyped_defs"}
    assert [each["module"] for each in MYPY["overrides"] if silent & each.keys()] == []
