"""What docs/operations.md has an operator type for Kubernetes, in a shell with a `kubectl` of the test's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.charts.rendering import ROOT
from tests.installation import BIN

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
KUBECTL = """#!/bin/sh
case "$3" in
  exec) exit "$EXECUTED" ;;
  create) cat master.key > created ;;
esac
"""
"""Of `kubectl -n keys ...`: what a command in the pod returns, and the Secret."""


def block(begins: str) -> str:
    return OPERATIONS[OPERATIONS.index(f"```sh\n{begins}") :].removeprefix("```sh\n").partition("```")[0]


def typed(folder: Path, lines: str, *, executed: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs lines as an operator's shell does, whose umask lets everybody read what it makes."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "kubectl").write_text(KUBECTL)
    (programs / "kubectl").chmod(0o755)
    path = f"{programs}:{BIN}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", f"umask 022\n{lines}"],
        cwd=folder,
        env=os.environ | {"PATH": path, "EXECUTED": str(executed)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the Secrets were made as the document says."""
    lines = block("docker build").splitlines()
    done = typed(tmp_path, "\n".join(each for each in lines if "/dev/urandom" in each))
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path


def test_secrets_are_made_so_that_nobody_else_can_read_them(folder: Path) -> None:
    for name in ("master.key", "root.secret"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name


def test_the_old_master_key_stays_until_the_vault_is_sealed_under_the_new_one(folder: Path) -> None:
    (old,) = (folder / "master.key").read_text().splitlines()
    rotation = block("KEYTRAIL_MASTER_KEY_FILE=master.key keytrail master-key add")
    failed = typed(folder, rotation, executed=1)  # the pod has not got both keys yet
    assert failed.returncode != 0
    both = (folder / "master.key").read_text().splitlines()
    assert (both[0], len(both)) == (old, 2), failed.stderr
    assert (folder / "created").read_text().splitlines() == both

    again = rotation[rotation.index("put()") :]
    done = typed(folder, again)
    assert done.returncode == 0, done.stderr
    for name, keys in (("master.key", both[1:]), ("created", both[1:]), ("master.key.former", both)):
        assert (folder / name).read_text().splitlines() == keys, name
    assert (folder / "master.key").stat().st_mode & 0o777 == 0o600

    assert typed(folder, again).returncode != 0, "once more: it is done"
    assert (folder / "master.key.former").read_text().splitlines() == both
