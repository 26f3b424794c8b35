"""A command that takes --yes asks in one place (services/cli/confirmation.py), whether it answers in words or in JSON."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
CLI = sorted((ROOT / "services" / "cli").rglob("*.py"))
COMMANDS = {
    *("accept_loss", "create", "forget", "release_due", "remove", "retire", "rotate_master_key", "skip_commands"),
    "skip_records",
}


def test_only_one_file_asks_for_confirmation() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in CLI
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("click.confirm", "click.prompt", "input")
    ]
    assert found == [], "confirm_or_fail asks: click's questions go to stdout, and take a pipe's answer for a person's"


def test_every_command_that_takes_yes_asks_there_whatever_form_its_answer_has() -> None:
    asking: dict[str, set[str]] = {}
    for path in CLI:
        for function in nodes(path):
            if isinstance(function, ast.FunctionDef) and any(each.arg == "yes" for each in function.args.args):
                asking[function.name] = {
                    ast.unparse(each.test)
                    for each in ast.walk(function)
                    if isinstance(each, ast.If) and "confirm_or_fail(" in ast.unparse(each)
                }
    assert asking.keys() == COMMANDS
    for name, conditions in asking.items():
        assert [each for each in conditions if "not yes" in each], f"{name} takes --yes and asks nothing"
        assert not [each for each in conditions if "json" in each], f"{name} asks in one form of its answer only"
