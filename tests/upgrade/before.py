"""The version before: its real code, out of this repository's own history.

`BEFORE` names its tag and its commit. The commit is what counts, since a clone need not bring tags. A clone without that history
cannot run these tests, and they fail and say so: to leave them out would be to say that an upgrade works.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

from domain.log.levels import LEVEL, LEVEL_VERSION
from services.adapters.snapshots import VERSION

ROOT = Path(__file__).parents[2]
PACKAGES = ("domain", "projections", "services")


def named() -> tuple[str, str]:
    """(tag, commit)"""
    tag, commit = (ROOT / "tests" / "upgrade" / "BEFORE").read_text().split()
    return tag, commit


class VersionBefore:
    def __init__(self, folder: Path) -> None:
        """Puts its code into a new folder."""
        self.tag, commit = named()
        asked = ["git", "-C", str(ROOT), "archive", "--format=tar", commit, *PACKAGES]
        found = subprocess.run(asked, capture_output=True, check=False)
        assert found.returncode == 0, (
            f"this clone has no commit {commit} ({self.tag}), the version before: fetch the whole history "
            f"(git fetch --unshallow). git says: {found.stderr.decode().strip()}"
        )
        with tarfile.open(fileobj=BytesIO(found.stdout)) as archive:
            archive.extractall(folder, filter="data")
        self.path = folder

    @property
    def environment(self) -> dict[str, str]:
        """What lets Python find its modules before those of this checkout."""
        return {"PYTHONPATH": str(self.path), "PYTHONSAFEPATH": "1"}

    def run(self, script: str, given: str) -> str:
        """What a script prints that imports its modules, and reads `given` from standard input."""
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import services\nassert services.__file__.startswith({str(self.path)!r})\n{script}",
            ],
            input=given,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class VersionAfter:
    """This version, with one level more, and snapshots that say something else: how the next one meets this one."""

    level, version, snapshots = LEVEL + 1, "9.0.0", VERSION + 1

    def __init__(self, folder: Path) -> None:
        self.path = folder
        for each in PACKAGES:
            shutil.copytree(ROOT / each, folder / each, ignore=shutil.ignore_patterns("node_modules"))
        levels = folder / "domain" / "log" / "levels.py"
        found = levels.read_text()
        changed = found.replace(f"\nLEVEL = {LEVEL}\n", f"\nLEVEL = {self.level}\n")
        changed = changed.replace(f'LEVEL_VERSION = "{LEVEL_VERSION}"', f'LEVEL_VERSION = "{self.version}"')
        assert changed.count(self.version) == 1
        levels.write_text(changed)
        snapshots = folder / "services" / "adapters" / "snapshots.py"
        snapshots.write_text(
            snapshots.read_text().replace(f"\nVERSION = {VERSION}\n", f"\nVERSION = {self.snapshots}\n")
        )
