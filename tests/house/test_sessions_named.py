"""Every session with Postgres has Keytrail's name: one without a name is taken for a process of 0.1.0, and `keytrail upgrade finish`
waits for its end."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
HOME = ROOT / "services" / "adapters" / "postgres.py"
OPENERS = {"connect", "create_pool", "Pool"}
POOL = "PatientPool"
"""The adapter's own class of pools."""


def opened(path: Path) -> list[int]:
    """The lines that call asyncpg.connect or asyncpg.create_pool, or make a pool."""
    return [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {POOL, *(f"asyncpg.{each}" for each in OPENERS)}
    ]


def test_only_the_adapter_opens_sessions() -> None:
    files = [path for room in ("services", "projections") for path in (ROOT / room).rglob("*.py") if path != HOME]
    assert {str(path.relative_to(ROOT)): lines for path in files if (lines := opened(path))} == {}


def test_the_adapter_names_each() -> None:
    assert len(opened(HOME)) == HOME.read_text().count("server_settings=NAMED") == 2
