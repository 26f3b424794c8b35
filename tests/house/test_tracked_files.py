"""What the repository holds is text and pictures, under plain names. A broker once wrote its data into a checkout, and 66 of its
files went into a commit with what was meant."""

from __future__ import annotations

import re

from tests.house.test_house import ROOT
from tests.house.test_named_files import tracked

PLAIN = re.compile(r"[A-Za-z0-9_.@/-]+")
PICTURES = (".png",)


def is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def test_names_are_plain() -> None:
    assert [name for name in tracked() if PLAIN.fullmatch(name) is None] == []


def test_files_hold_text() -> None:
    files = [name for name in tracked() if not name.endswith(PICTURES)]
    assert [name for name in files if not is_text((ROOT / name).read_bytes())] == []


def test_only_an_empty_package_is_empty() -> None:
    empty = [name for name in tracked() if not (ROOT / name).stat().st_size]
    assert {name.rpartition("/")[2] for name in empty} <= {"__init__.py"}
