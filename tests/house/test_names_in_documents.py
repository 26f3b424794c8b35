"""Commands, metrics and headings that a document names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
METRICS = (ROOT / "services" / "metrics.py").read_text()
GROUPS = {name.split(" ")[0] for name in COMMANDS if " " in name}


def commands(document: str) -> set[str]:
    """The commands that inline code and the lines of blocks name, each with its second word if it has one."""
    found = re.findall(
        r"(?:^|`|\$ |\(|\|)keytrail ([a-z][a-z-]*)(?: ([a-z][a-z-]*)(?![\w.-]))?", document, re.MULTILINE
    )
    return {f"{first} {second}" if first in GROUPS and second else first for first, second in found}


def known(command: str) -> bool:
    """A group's first word may stand alone, and a command such as `alerts` may have an argument behind it."""
    first = command.split(" ")[0]
    return command in COMMANDS or (command == first and first in GROUPS) or (first in COMMANDS and first not in GROUPS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_a_document_names_exist(document: Path) -> None:
    assert sorted(each for each in commands(document.read_text()) if not known(each)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_metrics_that_a_document_names_exist(document: Path) -> None:
    named = re.findall(r"\bkeytrail_[a-z]\w*[a-z]\b", document.read_text())
    assert [
        each for each in named if f'"{each.removesuffix("_total")}"' not in METRICS and each != "keytrail_client"
    ] == []


def test_a_command_that_does_not_exist_is_found() -> None:
    assert commands("`keytrail alerts dead-letters --again`, $ keytrail histroy a\n") == {
        "alerts dead-letters",
        "histroy",
    }
    assert [known(each) for each in ("alerts dead-letters", "alerts", "alerts folow", "histroy")] == [
        True,
        True,
        False,
        False,
    ]


def anchors(document: str) -> set[str]:
    """As GitHub makes them: of each heading, in lower case, without signs, and spaces as hyphens."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", document, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(
        re.findall(r'<a id="([^"]+)"', document)
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_headings_that_a_document_links_to_exist(document: Path) -> None:
    for path, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text()):
        target = document.parent / path if path else document
        assert anchor in anchors(target.read_text()), f"{path}#{anchor}"
