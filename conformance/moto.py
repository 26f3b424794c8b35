"""`make conformance-moto`: moto's own KMS tests, from its source distribution on PyPI, against a Keytrail started for
them.

moto's tests are written for moto. They look up its objects, freeze the client's clock, call any region, and each start
from an empty service. The tests of the API run unchanged, in moto's server mode. `plugin.py` points every client here,
replaces every region by Keytrail's, and gives each test an account of its own. docs/conformance.md has the result with
each failure's reason. This program ends with exit code 1 if the failures are others.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

from conformance.explained import HERE, differ, rows
from tests.installation import Installation, clean_environment

PINNED = HERE / "requirements" / "moto-sdist.txt"
FILES = ("test_kms.py", "test_kms_encrypt.py", "test_kms_grants.py", "test_kms_key_rotation.py", "test_kms_mac.py")
"""The files that call the API. The others call moto's own classes and servers, or CloudFormation."""
ACCOUNT = "123456789012"
PLUGIN = Path(__file__).with_name("plugin.py")
out = Console()


def unpack(folder: Path) -> Path:
    """The source distribution, checked against its hash."""
    python = str(HERE / ".tools" / "bin" / "python")  # the interpreter that has pip
    command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--require-hashes", "--requirement", str(PINNED), "--dest", str(folder)], check=True)
    (archive,) = folder.glob("moto-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (found,) = (path for path in folder.glob("moto-*") if path.is_dir())
    (found / "plugin.py").write_text(PLUGIN.read_text())
    return found


def run(suite: Path, keytrail: Installation) -> str:
    environment = clean_environment() | {
        "TEST_SERVER_MODE": "true",
        "TEST_SERVER_MODE_ENDPOINT": keytrail.url,
        "PYTHONPATH": str(suite),
        "PATH": os.environ["PATH"],
        **keytrail.credentials(),
    }
    files = [f"tests/test_kms/{name}" for name in FILES]
    command = [
        str(HERE / ".venv-moto" / "bin" / "python"),
        "-m",
        "pytest",
        "-p",
        "plugin",
        "-q",
        "-rA",
        "--tb=short",
        "--color=no",
    ]
    done = subprocess.run([*command, *files], cwd=suite, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def documented() -> dict[str, str]:
    """For each test in docs/conformance.md, how many of its cases fail: `1 of 3`."""
    return dict(rows(r"\| `(test_\w+)` \| (\d+ of \d+) \|"))


def outcomes(text: str) -> tuple[Counter[str], Counter[str]]:
    """(passed, failed) cases by test."""
    passed = Counter(re.findall(r"^PASSED \S+?::(\w+)", text, re.MULTILINE))
    failed = Counter(re.findall(r"^(?:FAILED|ERROR) \S+?::(\w+)", text, re.MULTILINE))
    return passed, failed


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as name,
        Progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn()) as bar,
    ):
        task = bar.add_task("fetching moto's tests", total=None)
        suite = unpack(Path(name))
        bar.update(task, description="starting Keytrail")
        with Installation(Path(name) / "data", own="as a user has it", KEYTRAIL_ACCOUNT_ID=ACCOUNT) as keytrail:
            bar.update(task, description="running moto's tests")
            text = run(suite, keytrail)
    if "--verbose" in sys.argv:
        sys.stdout.write(text)
    passed, failed = outcomes(text)
    found = {name: f"{count} of {count + passed[name]}" for name, count in failed.items()}
    out.print(f"{passed.total()} passed, {failed.total()} failed; docs/conformance.md says why")
    return 1 if differ(found, documented(), out) or not passed else 0


if __name__ == "__main__":
    raise SystemExit(main())
