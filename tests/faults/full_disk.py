"""A disk that is full, for one process."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import Any

import psutil


def no_file_grows(process: psutil.Process) -> None:
    """From now on, each of its writes that would extend a file fails."""
    _limit(process, "1")


def files_grow(process: psutil.Process) -> None:
    """There is space again."""
    _limit(process, "unlimited")


def _limit(process: psutil.Process, size: str) -> None:
    with contextlib.suppress(psutil.Error):
        theirs: dict[str, Any] = {"user": process.uids().real, "group": process.gids().real, "extra_groups": []}
        who = theirs if os.geteuid() == 0 else {}  # root may not limit another user's process, but may become its owner
        limit = ["prlimit", "--pid", str(process.pid), f"--fsize={size}:unlimited"]
        subprocess.run(limit, cwd="/", capture_output=True, check=False, **who)
