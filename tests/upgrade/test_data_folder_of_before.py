"""A data folder goes back and forth between two versions: each finds what the other runs there, or left when it was killed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.runtime.data_folder import Folder, Running, start_of
from tests.upgrade.before import VersionBefore

STATE_BY_BEFORE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from services.runtime.data_folder import Folder
found = Folder(Path(sys.stdin.read())).state()
print(json.dumps(None if found is None else asdict(found)))
"""
ENDED_BY_BEFORE = """
import json, sys
from pathlib import Path
from services.runtime.data_folder import Folder
folder = Folder(Path(sys.stdin.read()))
folder.take()
print(json.dumps(folder.clean_up()))
"""


@pytest.fixture
def left() -> Iterator[subprocess.Popen[bytes]]:
    """A process that a killed `keytrail up` left."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_the_version_before_ends_what_this_one_left(
    before: VersionBefore, left: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """It took a state with a member that it does not know for none. The next start found its ports and the broker's folder
    taken."""
    children = {"writer-1": (left.pid, psutil.Process(left.pid).create_time())}
    running = Running(1, 8600, "http://127.0.0.1:8600", "", "", True, "0.2.0", True, children, {})
    running.starts["writer-1"] = start_of(left.pid)
    folder = Folder(tmp_path / "data")
    with folder.lock():
        folder.keep_state(running)
    assert folder.state() == running
    found = json.loads(before.run(STATE_BY_BEFORE, str(folder.path)))
    assert (found["pid"], found["children"]) == (1, {"writer-1": [left.pid, children["writer-1"][1]]})
    assert json.loads(before.run(ENDED_BY_BEFORE, str(folder.path))) == ["writer-1"]
    assert left.wait(10) == -15
    assert folder.state() is None


def test_this_version_reads_what_the_next_one_says_more(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    running = Running(1, 8600, "http://127.0.0.1:8600", "", "")
    with folder.lock():
        folder.keep_state(running)
    more = json.loads(folder.state_file.read_text()) | {"of_the_next": 1}
    folder.state_file.write_text(json.dumps(more))
    assert folder.state() == running
