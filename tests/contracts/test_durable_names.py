"""A file that was put in its place is there after a power cut: its name is flushed with its folder.

Each case runs in a process of its own, which notes what it asks of the system: the names that it changes, what it opens, and what it
flushes. A vault may be sealed under a key that is in such a file and nowhere else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTING = """
import json, os, sys
from pathlib import Path
from services.adapters.master_key import FileMasterKey, make
from services.backup.sealed_file import SealedWriter
from services.ownership import write_private, write_private_once
from services.runtime.data_folder import Folder

folder, noted = Path(sys.argv[1]), []

def audit(event, arguments):
    if event in ("os.rename", "os.link"):
        noted.append(["named", os.fsdecode(arguments[1])])
    elif event == "open" and isinstance(arguments[0], (str, bytes, Path)):
        noted.append(["opened", os.fsdecode(arguments[0])])

def called(frame, event, what):
    if event == "c_call" and what is os.fsync:
        noted.append(["flushed", next((path for kind, path in reversed(noted) if kind == "opened"), "")])

def rotated():
    make(folder / "master.key")
    FileMasterKey(folder / "master.key").add()

def sealed():
    make(folder / "master.key")
    master = FileMasterKey(folder / "master.key")
    writer = SealedWriter(folder / "x.backup", master, master.newest())
    writer.write({}, last=True)
    writer.close()

def taken():
    write_private(folder / "credentials.json.new", "{}")
    Folder(folder).take_next_credentials()

does = {
    "replaced": lambda: write_private(folder / "a", "x"),
    "made once": lambda: write_private_once(folder / "a", "x"),
    "a key added": rotated,
    "a backup": sealed,
    "credentials": taken,
}[sys.argv[2]]
sys.addaudithook(audit)
sys.setprofile(called)
does()
sys.setprofile(None)
print(json.dumps(noted))
"""


@pytest.mark.parametrize("what", ["replaced", "made once", "a key added", "a backup", "credentials"])
def test_the_name_of_a_file_is_flushed_after_it_was_given(what: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTING, str(tmp_path), what], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    noted = json.loads(done.stdout)
    named = [at for at, (kind, _) in enumerate(noted) if kind == "named"]
    assert named, noted
    for at in named:
        assert ["flushed", str(tmp_path)] in noted[at:], noted
