"""docs/conformance.md agrees with the clients that `make conformance-clients` runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from conformance.clients.__main__ import read
from conformance.clients.table import CLIENTS, Client
from conformance.clients.tools import SCRIPTS, TOOLS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
ROWS = {
    name: (group, version)
    for name, group, version in re.findall(r"^\| `([\w-]+)` \| ([\w-]+) \| ([^|]+) \|", DOCUMENT, re.MULTILINE)
}


def test_every_client_has_its_row() -> None:
    assert {client.name: client.group for client in CLIENTS} == {name: group for name, (group, _) in ROWS.items()}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_row_tells_the_version_that_is_fetched(client: Client) -> None:
    assert (SCRIPTS / client.script).exists()
    assert client.tool in TOOLS
    version = re.search(r"\d[\w.-]*$", client.packages[0])
    assert version is not None
    assert version[0] in ROWS[client.name][1]


def test_reasons_belong_to_existing_clients() -> None:
    named = {name for name, _ in re.findall(r"^\| `([\w-]+)` \| `([^`]+)` \|", DOCUMENT, re.MULTILINE)}
    assert named <= {client.name for client in CLIENTS}


def test_the_refusals_that_schemathesis_passes_over_are_still_worded_so() -> None:
    """The hooks recognise a refusal by its words. If the words change, only the group would notice, and nobody runs it
    every day."""
    hooks = ast.parse((SCRIPTS / "schemathesis_hooks.py").read_text())
    (words,) = (
        ast.literal_eval(each.value)
        for each in hooks.body
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "UNFORESEEN"
    )
    root = Path(__file__).parents[2]
    files = [
        *(root / "domain").rglob("*.py"),
        *(root / "services/kms_api").glob("*.py"),
        *(root / "services/audit_api").rglob("*.py"),
        *(root / "services/questions").glob("*.py"),
    ]
    said = "".join(each.read_text() for each in files)
    assert [each for each in words if each not in said] == []


def test_what_a_script_prints_is_read_as_its_cases() -> None:
    text = "compiling\nok - encrypt\nnot ok - sign: KMSInternalException: no: why\nok\nnot ok - bare:\n"
    result = read(text, CLIENTS[0])
    assert (result.passed, result.failed) == (["encrypt"], {"sign": "KMSInternalException: no: why", "bare": ""})
