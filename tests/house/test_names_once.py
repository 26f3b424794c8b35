"""A class or an alias has a name of its own in the whole program: a reader who meets it knows which one is meant."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.house.sources import tree
from tests.house.test_house import ROOT


def names_of(file: ast.Module) -> list[str]:
    """Classes and aliases of a file's outermost level, private ones left out."""
    found = []
    for node in file.body:
        match node:
            case ast.ClassDef(name=name):
                found.append(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.append(name)
            case _:
                pass
    return [name for name in found if name[0].isupper() and not name.isupper()]


def test_every_class_and_alias_has_a_name_of_its_own() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in ("domain", "projections", "services"):
        for path in sorted(Path(ROOT / package).rglob("*.py")):
            for name in names_of(tree(path)):
                places[name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_second_class_of_a_name_would_be_found() -> None:
    assert names_of(ast.parse("class Row: ...\nRows = list[Row]\nMOST = 3\nclass _Own: ...\n")) == ["Row", "Rows"]
