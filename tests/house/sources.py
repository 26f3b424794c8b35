"""The sources as syntax trees. A file is parsed once for all the tests of a process that ask about it."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path


@cache
def tree(path: Path) -> ast.Module:
    collects = gc.isenabled()
    gc.disable()  # half a million nodes that stay: the collector would walk them again and again while they come
    try:
        return ast.parse(path.read_text())
    finally:
        if collects:
            gc.enable()


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file, in the order of ast.walk."""
    return tuple(ast.walk(tree(path)))
