"""There is no circle of files and none of packages, so a file can be read without reading the files that import it.

A package is a folder. An import under TYPE_CHECKING or inside a function counts, since the reader needs that file too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.house.sources import nodes
from tests.house.test_house import ROOT

PACKAGES = ("domain", "projections", "services", "bench")
Graph = dict[str, set[str]]


def imports(folder: Path) -> Graph:
    """For each module, the modules of the same tree that it imports."""
    paths = {_module(path, folder): path for name in PACKAGES for path in (folder / name).rglob("*.py")}
    return {module: set(_imported(path, paths)) - {module} for module, path in paths.items()}


def _module(path: Path, folder: Path) -> str:
    return ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in nodes(path):
        match node:
            case ast.Import(names):
                yield from (each.name for each in names if each.name in known)
            case ast.ImportFrom(str() as module, names):
                for each in names:
                    found = f"{module}.{each.name}"
                    yield from (name for name in ([found] if found in known else [module]) if name in known)


def packages(files: Graph, folder: Path) -> Graph:
    """For each folder, the folders that its files import from."""
    found: Graph = {}
    for module, others in files.items():
        of = _folder(module, folder)
        found.setdefault(of, set()).update({_folder(each, folder) for each in others} - {of})
    return found


def _folder(module: str, folder: Path) -> str:
    is_folder = (folder / module.replace(".", "/")).is_dir()
    return module if is_folder else module.rpartition(".")[0]


def circles(graph: Graph) -> list[tuple[str, ...]]:
    """Each set of nodes that all reach each other."""
    reached = {node: _reached(graph, node) for node in graph}
    of = (sorted(other for other in reached[node] if node in reached[other]) for node in graph)
    return sorted(each for each in {tuple(found) for found in of} if each)


def _reached(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += graph.get(node, ())
    return found


@pytest.fixture(scope="module")
def files() -> Graph:
    return imports(ROOT)


def test_no_files_import_each_other_in_a_circle(files: Graph) -> None:
    assert circles(files) == []


def test_no_packages_import_each_other_in_a_circle(files: Graph) -> None:
    assert circles(packages(files, ROOT)) == []


def test_a_circle_is_found(tmp_path: Path) -> None:
    files = {
        "domain/a.py": "from domain import b",
        "domain/b.py": "def later():\n    from domain.c import C",
        "domain/c.py": "if TYPE_CHECKING:\n    import domain.a",
        "domain/d.py": "from domain.a import A",
        "services/e.py": "import services.inner.f",
        "services/inner/f.py": "from services.g import G",
        "services/g.py": "import os",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = imports(tmp_path)
    assert circles(found) == [("domain.a", "domain.b", "domain.c")]
    assert circles(packages(found, tmp_path)) == [("services", "services.inner")]
