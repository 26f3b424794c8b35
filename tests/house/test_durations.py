"""The name of a length of time says its unit, and it stands in domain/durations.py."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
HOME = ROOT / "domain" / "durations.py"
WITHOUT_UNIT = {"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "YEAR"}
WRITTEN_OUT = {86_400, 86_400_000, 86_400_000_000, 3_600_000_000, 60_000_000}


def test_a_duration_is_named_with_its_unit_and_is_written_once() -> None:
    """A `DAY` was seconds in one file and microseconds in another."""
    found = []
    for package in ("domain", "projections", "services", "bench"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in nodes(path):
                unnamed = isinstance(node, ast.Name) and node.id in WITHOUT_UNIT
                again = isinstance(node, ast.Constant) and type(node.value) is int and node.value in WRITTEN_OUT
                if (unnamed or again) and path != HOME:
                    found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert found == []
