"""docs/conformance.md explains each failure. A program of this package ends with exit code 1 if other cases fail."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

HERE = Path(__file__).parents[1]
DOCUMENT = HERE / "docs" / "conformance.md"


def rows(pattern: str) -> list[tuple[str, str]]:
    """The lines of the document that match the pattern: the text of its two groups."""
    return [(found[1], found[2]) for found in re.finditer("^" + pattern, DOCUMENT.read_text(), re.MULTILINE)]


def differ(found: dict[str, str], known: dict[str, str], out: Console) -> bool:
    """Print the failures without an explanation, and the explanations without a failure."""
    for name in sorted(found.keys() | known.keys()):
        if found.get(name) != known.get(name):
            said = f"{name}: {found.get(name, 'none')} failed, {known.get(name, 'none')} explained"
            out.print(said, style="red", markup=False, soft_wrap=True)
    return found != known
