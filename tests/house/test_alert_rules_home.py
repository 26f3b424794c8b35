"""An alert rule is one file. Its row is in the table, and its id stands there and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from domain.alerts.rules.table import RULES
from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "domain/alerts/rules"
FILES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "table"))


def test_every_file_holds_the_rule_that_it_is_named_for_and_the_table_lists_it() -> None:
    rows = {name: import_module(f"domain.alerts.rules.{name}").RULE for name in FILES}
    assert {name: row.id for name, row in rows.items()} == {name: name.replace("_", "-") for name in FILES}
    assert sorted(RULES) == sorted(row.id for row in rows.values())
    assert all(RULES[row.id] is row for row in rows.values())


def strings(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_an_id_is_written_once() -> None:
    """Code that needs a rule imports it. An id that is typed again can be misspelt."""
    written = [
        (str(path.relative_to(ROOT)), text)
        for package in ("domain", "projections", "services", "bench", "docs")
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in strings(path)
        if text in RULES
    ]
    assert sorted(written) == sorted((f"domain/alerts/rules/{name}.py", name.replace("_", "-")) for name in FILES)


def test_a_rule_is_handed_its_numbers_and_reads_no_settings() -> None:
    """A rule gets its numbers. If it looked them up, it would have to name itself again."""
    imported = {
        (path.name, name)
        for path in FOLDER.glob("*.py")
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        if name.endswith("settings") or name == "AlertSettings"
    }
    assert imported == set()
