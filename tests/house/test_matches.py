"""A match on classes names all of them: it ends in `assert_never`, and mypy says which class is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = (
    *(f"services/{room}" for room in ("adapters", "api", "kms_api", "log_keys", "operations", "runtime", "writer")),
    *(f"domain/{room}" for room in ("authorization", "cloudtrail", "decisions", "policy", "policy_analysis")),
)
"""In other places, a match may pick a few of all events."""
BUILTIN = {"str", "int", "float", "bool", "bytes", "list", "dict", "tuple", "None"}


def _classes(case: ast.match_case) -> set[str]:
    return {ast.unparse(node.cls) for node in ast.walk(case.pattern) if isinstance(node, ast.MatchClass)} - BUILTIN


def _is_assert_never(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("assert_never(")


def _matches(tree: ast.AST) -> Iterator[tuple[ast.Match, ast.stmt | None]]:
    """Each match on Keytrail's own classes, and the statement after it."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                for statement, behind in zip(block, [*block[1:], None], strict=True) if block else ():
                    if isinstance(statement, ast.Match) and any(map(_classes, statement.cases)):
                        yield statement, behind


def _is_exhaustive(match: ast.Match, behind: ast.stmt | None) -> bool:
    last = match.cases[-1]
    if isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None:
        return _is_assert_never(last.body[0])
    return behind is not None and _is_assert_never(behind)


def test_every_match_on_classes_ends_in_assert_never() -> None:
    found, seen = [], 0
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for match, behind in _matches(ast.parse(path.read_text())):
                seen += 1
                if not _is_exhaustive(match, behind):
                    found.append(f"{path.relative_to(ROOT)}:{match.lineno}")
    assert seen >= 4
    assert found == []
