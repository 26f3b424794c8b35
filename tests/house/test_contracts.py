"""Every adapter is in the list of contracts, and its promises are existing tests."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.contracts.adapters import CONTRACTS, ELSEWHERE

ROOT = Path(__file__).parents[2]
ADAPTERS = ROOT / "services" / "adapters"
TESTS = ROOT / "tests" / "contracts"


def test_every_file_of_adapters_is_in_the_list_once() -> None:
    listed = [file for contract in CONTRACTS.values() for file in contract.files] + list(ELSEWHERE)
    assert sorted(listed) == sorted(path.name for path in ADAPTERS.glob("*.py") if path.name != "__init__.py")


def test_every_contract_has_adapters_and_promises() -> None:
    for port, contract in CONTRACTS.items():
        assert contract.adapters, port
        for name in contract.promises:
            tests = [
                node
                for node in ast.parse((TESTS / name).read_text()).body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
            ]
            assert tests, f"{port}: {name} promises nothing"
