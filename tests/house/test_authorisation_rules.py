"""The rules of authorisation: code and tests refer to them by the anchors of docs/authorisation-rules.md, and every
rule has a test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "authorisation-rules.md"
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)
MENTION = re.compile(r"(?<![\w/&])(?<!\]\()#([a-z]+(?:-[a-z0-9]+)+)")
"""`#explicit-deny-wins`. A link into another document has a name before its #; a link within one follows `](`."""
NUMBERED = re.compile(r"\b(?:rules?|rows?)[ _][0-9]+", re.IGNORECASE)


def anchors() -> set[str]:
    """Anchors as GitHub makes them from headings."""
    headings = HEADING.findall(DOCUMENT.read_text())
    made = [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(made) == len(set(made))
    return set(made)


def texts() -> dict[str, str]:
    """Code, tests and documents, by their paths."""
    folders = ("domain", "projections", "services", "tests", "bench", "conformance", "docs")
    files = [*ROOT.glob("*.md")]
    files += [path for folder in folders for end in ("py", "md") for path in (ROOT / folder).rglob(f"*.{end}")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in files}


def test_every_rule_that_is_named_is_written_down() -> None:
    known = anchors()
    named = {name: set(MENTION.findall(text)) for name, text in texts().items()}
    assert {name: found - known for name, found in named.items() if found - known} == {}


def test_every_rule_is_named_by_a_test() -> None:
    tested = {
        anchor
        for name, text in texts().items()
        if name.startswith("tests/") and name != "tests/house/test_authorisation_rules.py"
        for anchor in MENTION.findall(text)
    }
    assert anchors() - tested == set()


def test_no_rule_is_named_by_a_number() -> None:
    found = {name: NUMBERED.findall(text) for name, text in texts().items()}
    assert {name: numbers for name, numbers in found.items() if numbers} == {}


def test_the_files_that_hold_a_rule_are_there() -> None:
    text = DOCUMENT.read_text()
    rules = text.split("\n### ")[1:]
    files = {rule.partition("\n")[0]: re.findall(r"`([\w/]+\.py)`", rule) for rule in rules}
    assert [heading for heading, named in files.items() if not named] == []
    assert [name for named in files.values() for name in named if not (ROOT / name).is_file()] == []
