"""A match on classes names all of them: it ends in `assert_never`, and mypy says which class is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from domain.log.catalogue import ALIAS, CATALOGUE, GRANT, KEY_POLICY, TAGS
from tests.house.sources import nodes

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


def _matches(path: Path) -> Iterator[tuple[ast.Match, ast.stmt | None]]:
    """Each match on Keytrail's own classes, and the statement after it."""
    for node in nodes(path):
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
            for match, behind in _matches(path):
                seen += 1
                if not _is_exhaustive(match, behind):
                    found.append(f"{path.relative_to(ROOT)}:{match.lineno}")
    assert seen >= 4
    assert found == []


def _named(path: str, function: str) -> set[str]:
    """The classes that the matches of a function name."""
    for node in nodes(ROOT / path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
            cases = [case for match in ast.walk(node) if isinstance(match, ast.Match) for case in match.cases]
            return {name.rpartition(".")[2] for case in cases for name in _classes(case)}
    raise AssertionError(f"{path} has no {function}")


def test_the_effects_of_changes_name_every_event_that_changes_access() -> None:
    """An event that they left out would be told as a change of an identity's policies, and has no identity."""
    of_access = {row.event.__name__ for row in CATALOGUE.values() if row.access in (KEY_POLICY, GRANT, TAGS, ALIAS)}
    assert "GrantCreated" in of_access
    assert of_access - _named("services/questions/access_changes.py", "_told") == set()
