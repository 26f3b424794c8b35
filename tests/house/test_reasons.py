"""A message that says why something does not answer has a reason in it: a TimeoutError has no text of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
WITHOUT_TEXT = {"TimeoutError", "LOST", "UNREACHABLE", "INTERRUPTED", "CANNOT_START"}
"""The names under which a TimeoutError is caught."""
OF_SERVERS = WITHOUT_TEXT | {"OSError", "KafkaError"}


def _bare(tree: ast.AST, name: str) -> Iterator[ast.AST]:
    """Where the text of a caught error is taken as it is, and nothing stands in for it."""
    given = {id(node.values[0]) for node in ast.walk(tree) if isinstance(node, ast.BoolOp)}
    for node in ast.walk(tree):
        match node:
            case _ if id(node) in given:
                pass
            case ast.FormattedValue(value=ast.Name(id=found), conversion=-1) if found == name:
                yield node
            case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=found)]) if found == name:
                yield node
            case _:
                pass


def _offences(handler: ast.ExceptHandler) -> Iterator[ast.AST]:
    assert handler.name is not None, "it is looked at"
    caught = {each.id for each in ast.walk(handler.type or handler) if isinstance(each, ast.Name)}
    for node in ast.walk(handler):
        says = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Unavailable"
        if (says and caught & OF_SERVERS) or (node is handler and caught & WITHOUT_TEXT):
            yield from _bare(node, handler.name)


def test_no_message_ends_where_its_reason_begins() -> None:
    """`Postgres does not answer: `, and nothing after it. `reason_of` (domain/ports.py) gives what an error says, or what it is."""
    found = {
        f"{path.relative_to(ROOT)}:{offence.lineno}"  # type: ignore[attr-defined]  # an expression has its line
        for package in ("domain", "projections", "services")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and node.name
        for offence in _offences(node)
    }
    assert found == set()
