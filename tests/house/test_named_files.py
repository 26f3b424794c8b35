"""Every file that a document, docstring or comment names exists, so that a reader can follow the name."""

from __future__ import annotations

import re
import subprocess

from tests.house.test_house import ROOT

NAMED = re.compile(r"(?<![\w./-])((?:\w+/)*\w+\.py)(?![\w])")
ELSEWHERE = {"apprise/utils/pgp.py"}
"""Files of libraries."""


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def test_files_that_are_named_exist() -> None:
    files = tracked()
    ends = {"/".join(name.split("/")[at:]) for name in files for at in range(name.count("/") + 1)}
    read = [name for name in files if name.endswith((".py", ".md", ".sql", ".toml", ".yaml", "Makefile"))]
    missing = [
        f"{name} names {named}"
        for name in read
        if not name.startswith(("conformance/", "tests/house/"))  # these name files of other projects, and examples
        for named in NAMED.findall((ROOT / name).read_text())
        if named not in ends | ELSEWHERE
    ]
    assert missing == []
