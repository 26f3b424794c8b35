"""Duplicate code: two runs of statements that differ only in names state one fact in two places."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.house.sources import tree
from tests.house.test_house import ROOT

PACKAGES = ("domain", "projections", "services", "bench")
LEAST_NODES = 55
"""How many nodes of the syntax tree a run of statements has, names included: some four lines. Shorter runs are alike by
chance."""
LEAST_STATEMENTS = 2


class _Shape(ast.NodeVisitor):
    """A statement's shape: its nodes in order, with each name replaced by the order of its first use, so that renaming
    hides nothing. Attributes, called functions and literals count as they are, since a difference in them changes the
    meaning."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.names: dict[str, int] = {}

    def generic_visit(self, node: ast.AST) -> None:
        self.parts.append(type(node).__name__)
        match node:
            case ast.Name(id=name) | ast.arg(arg=name):
                self.parts.append(str(self.names.setdefault(name, len(self.names))))
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                self.parts.append(name)
            case ast.Constant(value=value):
                self.parts.append(repr(value))
            case _:
                pass
        super().generic_visit(node)


def runs(body: list[ast.stmt]) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, shape) of each run of statements that is long enough to count and has no docstring."""
    for begin in range(len(body)):
        shape = _Shape()
        for end in range(begin, len(body)):
            statement = body[end]
            if isinstance(statement, ast.Import | ast.ImportFrom) or _is_text(statement):
                break
            shape.visit(statement)
            if end - begin + 1 >= LEAST_STATEMENTS and len(shape.parts) >= LEAST_NODES:
                yield body[begin].lineno, statement.end_lineno or 0, " ".join(shape.parts)
                break


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def twice(files: dict[str, ast.Module]) -> list[str]:
    """`FILE:LINE and FILE:LINE` of each run of statements that appears in several places."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, file in files.items():
        for node in ast.walk(file):
            for field in ("body", "orelse", "finalbody"):
                body = getattr(node, field, None)
                if isinstance(body, list) and not isinstance(node, ast.Module | ast.ClassDef):
                    for first, _, shape in runs(body):
                        places[shape].append(f"{name}:{first}")
    return sorted(" and ".join(found) for found in places.values() if len(found) > 1)


def test_nothing_stands_twice() -> None:
    files = {
        str(path.relative_to(ROOT)): tree(path)
        for package in PACKAGES
        for path in sorted(Path(ROOT / package).rglob("*.py"))
    }
    assert twice(files) == []


def _found(one: str, other: str) -> list[str]:
    return twice({"one.py": ast.parse(one), "other.py": ast.parse(other)})


def test_a_copy_under_other_names_is_found() -> None:
    one = "def f(rows, key):\n" + "".join(f"    a{n} = [x.at + {n} for x in rows if x.key == key]\n" for n in range(4))
    other = one.replace("rows", "entries").replace("key)", "name)").replace("== key", "== name").replace("x", "y")
    assert _found(one, other)[0] == "one.py:2 and other.py:2"
    assert _found(one, other.replace("at +", "at -")) == []
