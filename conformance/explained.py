"""docs/conformance.md explains each failure; a program of this package ends with 1 where others fail than those."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

HERE = Path(__file__).parents[1]
DOCUMENT = HERE / "docs" / "conformance.md"


def rows(pattern: str) -> list[tuple[str, str]]:
    """The document's lines that begin so: what the pattern's two groups say."""
    return [(found[1], found[2]) for found in re.finditer("^" + pattern, DOCUMENT.read_text(), re.MULTILINE)]


def differ(found: dict[str, str], known: dict[str, str], out: Console) -> bool:
    """Print what fails and is not explained, and what is explained and does not fail."""
    for name in sorted(found.keys() | known.keys()):
        if found.get(name) != known.get(name):
            said = f"{name}: {found.get(name, 'none')} failed, {known.get(name, 'none')} explained"
            out.print(said, style="red", markup=False, soft_wrap=True)
    return found != known
