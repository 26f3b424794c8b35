"""Where a command's output goes: a reader who has seen enough, a full disk, a device or a pipe instead of a file."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.installation import KEYTRAIL, Installation

FULL = Path("/dev/full")


def run(installation: Installation, arguments: tuple[str, ...], stdout: int) -> tuple[int, str]:
    """(exit code, messages) of the program as a shell starts it."""
    done = subprocess.run(
        [str(KEYTRAIL), *arguments],
        env=installation.environment() | {"KEYTRAIL_DATA": str(installation.data)},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys",),
        ("decisions", "--json"),
        ("decisions", "--export", "-", "--format", "csv"),
        ("changes", "--export", "-", "--format", "html"),
        ("log",),
        ("export-log", "-"),
        ("env",),
        ("--version",),
    ],
    ids=" ".join,
)
def test_a_reader_who_has_seen_enough_is_no_failure(installation: Installation, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        code, told = run(installation, arguments, writing)
    finally:
        os.close(writing)
    assert (code, "error" in told, "Traceback" in told) == (0, False, False), told


@pytest.mark.skipif(not FULL.is_char_device(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [("keys",), ("decisions", "--json"), ("env",), ("env", "--bogus"), ("--version",), ("--help",)],
    ids=" ".join,
)
def test_a_full_disk_is_one_sentence(installation: Installation, arguments: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        code, told = run(installation, arguments, full.fileno())
    assert (code, "No space left on device." in told.splitlines()[-1], "Traceback" in told) == (1, True, False), told


def test_a_backup_does_not_replace_a_pipe(installation: Installation, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = installation.keytrail("backup", str(pipe), "--force", check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: {pipe} is a device or a pipe, and a backup is a file.\n"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_missing_backup_is_reported_before_a_missing_master_key(installation: Installation, tmp_path: Path) -> None:
    for file, told in ((tmp_path / "none", "There is no file {}."), (tmp_path, "{} is a folder: name a file.")):
        done = installation.keytrail_as({"KEYTRAIL_DATA": str(tmp_path / "new")}, "restore", str(file))
        assert (done.returncode, done.stderr) == (2, f"error: {told.format(file)}\n")
