"""A signal to stop only asks. A test that goes on at once may be answered by what it believes to be stopped."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.sources import nodes

TESTS = Path(__file__).parents[1]


def test_only_one_place_stops_processes() -> None:
    stoppers = [
        path
        for path in TESTS.rglob("*.py")
        if any(isinstance(node, ast.Attribute) and node.attr in ("suspend", "SIGSTOP") for node in nodes(path))
    ]
    assert stoppers == [TESTS / "pausing.py"]
