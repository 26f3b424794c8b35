"""The messages that docs/operations.md quotes are those that the programs print: an operator searches for them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()


def quoted(document: str) -> list[str]:
    """The first cells of tables of messages, the log lines that are named elsewhere, and the statuses of /healthz."""
    text = re.sub(r"\s*\n(?!\n)\s*", " ", document)
    found = [*re.findall(r"log line `([^`]+)`", text), *re.findall(r'log line says "([^"]+)"', text)]
    found += re.findall(r"^- `(\w[^`:]*: [^`]+)` \(\d{3}\)", document, re.MULTILINE)
    of_messages = False
    for line in document.splitlines():
        if not line.startswith("|"):
            of_messages = False
        elif line.startswith("| message |"):
            of_messages = True
        elif of_messages and (cell := re.match(r"\| `([^`]+)` \|", line)):
            found.append(cell[1])
    return found


@cache
def printed() -> str:
    """Every text in the code. A text in several parts is joined, as Python joins it."""
    folders = (ROOT / name for name in ("domain", "projections", "services"))
    found = (node for folder in folders for path in folder.rglob("*.py") for node in nodes(path))
    return "\n".join(node.value for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str))


def missing(message: str) -> list[str]:
    """The parts of a message, apart at `...`, that no text in the code has."""
    return [part.strip() for part in message.split("...") if part.strip() not in printed()]


@pytest.mark.parametrize("message", quoted(DOCUMENT))
def test_a_quoted_message_is_printed(message: str) -> None:
    assert missing(message) == []


def test_there_are_messages_of_each_kind() -> None:
    found = quoted(DOCUMENT)
    assert "what is due waits" in found
    assert "a notifier is stuck" in found
    assert "... belongs to ..., who could change it" in found
    assert "not fresh: the log's end is not known" in found


def test_a_message_that_nobody_prints_is_found() -> None:
    assert missing("... belongs to nobody that we know of ...") == ["belongs to nobody that we know of"]
