"""Files that settings name: their text, or one sentence about why it cannot be read, with the file's name in it once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from services.ownership import NotOurs, read_private


class BadFile(Exception):
    """The message names the file, and says what is wrong with it."""


def unread(path: Path, fault: OSError | ValueError) -> str:
    """What Python says of a fault has a number, and the path once more."""
    why = fault.strerror or str(fault) if isinstance(fault, OSError) else str(fault)
    if isinstance(fault, UnicodeDecodeError):
        why = "it is not text in UTF-8"
    return f"{path} cannot be read: {why}"


def text_of(path: Path) -> str:
    """Raises BadFile."""
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as fault:
        raise BadFile(unread(path, fault)) from None


def secret_text_of(path: Path) -> str:
    """The text of a file that only its owner can read. Raises BadFile."""
    try:
        return read_private(path).decode()
    except NotOurs as fault:
        raise BadFile(str(fault)) from None
    except (OSError, ValueError) as fault:
        raise BadFile(unread(path, fault)) from None


def toml_in(path: Path, text: str) -> dict[str, Any]:
    """Raises BadFile."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise BadFile(unread(path, fault)) from None
