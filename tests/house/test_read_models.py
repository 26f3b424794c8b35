"""SQL on the tables of read models stands only in projections/, and a query is asked of the log that it is meant
for."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.log.schema import OWN, NoSuchTable, Schema, Table
from projections.registry import PROJECTIONS
from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
IN_A_FOLDER = re.compile(r"CREATE (?:TEMP )?(?:TABLE|VIEW) (?:\w+\.)?(\w+)")
BESIDE = {"positions", "lanes", "anchors", "origin"}
"""Tables of the projector, which every projection of our own log has."""


def made_in(folder: Path) -> set[str]:
    """The tables and views that the SQL of a folder creates."""
    texts = [path.read_text() for path in (*folder.glob("*.sql"), *folder.glob("*.py"))]
    return {name for text in texts for name in IN_A_FOLDER.findall(text)}


FOLDERS = sorted(path.parent for path in (ROOT / "projections").glob("*/table.sql"))
TABLES = {name for folder in FOLDERS for name in made_in(folder)} - BESIDE
SQL = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|VIEW|TRUNCATE)\s+(?:\S+\.)?(?:{'|'.join(TABLES)})\b")
OWN_SCHEMA = re.compile(r"\bp_[a-z_]+\.")


def texts_of(path: Path) -> Iterator[str]:
    """Every text in a file's code, with the parts of an f-string joined. Docstrings are prose and left out."""
    prose = {
        id(node.value) for node in nodes(path) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in nodes(path):
        match node:
            case ast.JoinedStr(values=values):
                yield "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in values)
            case ast.Constant(value=str(text)) if id(node) not in prose:
                yield text
            case _:
                continue


def test_sql_on_read_models_stands_in_projections() -> None:
    wrong = {
        str(path.relative_to(ROOT)): text
        for package in ("domain", "services")
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in texts_of(path)
        if SQL.search(text) or OWN_SCHEMA.search(text)
    }
    assert wrong == {}


def tables_named() -> list[Table]:
    modules = [
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for path in sorted((ROOT / "projections").glob("*/*.py"))
    ]
    return sorted({each for module in modules for each in vars(module).values() if isinstance(each, Table)}, key=str)


@pytest.mark.parametrize("table", tables_named(), ids=str)
def test_every_table_that_a_query_names_is_made(table: Table) -> None:
    folder = ROOT / "projections" / table.projection
    assert table.name in made_in(folder) | (BESIDE if table.projection in PROJECTIONS else set())


def test_each_log_has_its_own_tables_and_no_others() -> None:
    """If a trail is asked for a table that it lacks, our own log must not answer."""
    trail = Schema("trail_x")
    decisions, calls, alerts = Table("decisions", "decisions"), Table("trails", "calls"), Table("alerts", "alerts")
    assert OWN.sql(f"SELECT '{{}}' FROM {decisions}") == "SELECT '{}' FROM p_decisions.decisions"
    assert trail.sql(f"SELECT 1 FROM {decisions}, {calls}") == "SELECT 1 FROM trail_x.decisions, trail_x.calls"
    for log, table in ((trail, alerts), (trail, Table("keys", "keys")), (OWN, calls)):
        with pytest.raises(NoSuchTable):
            log.sql(f"SELECT 1 FROM {table}")
