"""What stands where in an ARN is known in domain/arn.py alone."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
HOME = ROOT / "domain" / "arn.py"
REGION = 3
"""The first part of an ARN whose number somebody may want: what has two parts or three, such as a MAC, has none of that number."""


def _counts_parts(node: ast.AST) -> bool:
    match node:
        case ast.Subscript(
            ast.Call(ast.Attribute(attr="split"), [ast.Constant(":"), *_]),
            ast.Constant(int(number)) | ast.Slice(ast.Constant(int(number))),
        ):
            return number >= REGION
    return False


def test_no_code_counts_the_colons_of_an_arn() -> None:
    """The Region was read in five ways, which did not agree about what is no ARN."""
    assert _counts_parts(ast.parse("name.split(':', 5)[3:]", mode="eval").body)
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for package in ("domain", "projections", "services", "bench")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in nodes(path)
        if path != HOME and _counts_parts(node)
    ]
    assert found == []
