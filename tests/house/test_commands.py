"""The tables for deciding are complete, so that `decide` never meets a command or an operation without a row."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from textwrap import dedent

from domain.commands import decide, due
from domain.commands.decide import COMMANDS
from domain.crypto.uses import USES
from domain.keys.states import TABLE
from services.operations.identity_table import IAM
from services.operations.rows import Using
from services.operations.table import OPERATIONS
from tests.house.sources import nodes

ROOT = Path(__file__).parents[2]
NO_COMMANDS = {decide.Outcome, due.Deletion, due.Expiry, due.Rotation}
"""Classes of `domain/commands` that are never sent to the writer."""
OF_A_ROW = {("services/kms_api/live_decision.py", "operation")}
"""Calls whose operation comes from a row; tests/house/test_house.py checks that the row has its states."""


def test_every_command_is_in_the_table_of_commands() -> None:
    written = set()
    for path in sorted((ROOT / "domain" / "commands").glob("*.py")):
        module = importlib.import_module(f"domain.commands.{path.stem}")
        written |= {
            each
            for each in vars(module).values()
            if isinstance(each, type) and is_dataclass(each) and each.__module__ == module.__name__
        }
    assert written - NO_COMMANDS == set(COMMANDS)


ACTIONS_OF = {
    "CreateKey": {"kms:CreateKey", "kms:TagResource"},  # a request with tags asks for both
    "CreateServiceKey": {"kms:CreateKey"},  # no operation of AWS's: a service gets a key by its first call
    "ExpireMaterial": {"kms:DeleteExpiredKeyMaterial"},  # falls due, under the name that CloudTrail has for it
    "CreateProfile": {"iam:CreateInstanceProfile"},  # from here on the command's name is only shorter
    "DeleteProfile": {"iam:DeleteInstanceProfile"},
    "AddRole": {"iam:AddRoleToInstanceProfile"},
    "RemoveRole": {"iam:RemoveRoleFromInstanceProfile"},
    "CreateServiceLinked": {"iam:CreateServiceLinkedRole"},
    "CreateVersion": {"iam:CreatePolicyVersion"},
    "SetDefaultVersion": {"iam:SetDefaultPolicyVersion"},
    "DeleteVersion": {"iam:DeletePolicyVersion"},
    "CreateMfaDevice": {"iam:CreateVirtualMFADevice"},
    "DeleteMfaDevice": {"iam:DeleteVirtualMFADevice"},
    "CreateOidcProvider": {"iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"},  # with tags, both
    "DeleteOidcProvider": {"iam:DeleteOpenIDConnectProvider"},
    "SetThumbprints": {"iam:UpdateOpenIDConnectProviderThumbprint"},
    "AddClientId": {"iam:AddClientIDToOpenIDConnectProvider"},
    "RemoveClientId": {"iam:RemoveClientIDFromOpenIDConnectProvider"},
    "SetPasswordPolicy": {"iam:UpdateAccountPasswordPolicy"},
    "DeletePasswordPolicy": {"iam:DeleteAccountPasswordPolicy"},
}
"""The actions of each command that does not require exactly the action of its own name."""
ACTION = re.compile(r"(kms|iam):[A-Z][A-Za-z]*")
PART = "iam:Update"
"""The beginning of an action, which the code ends with the kind of an identity."""


def test_a_command_requires_the_permission_of_its_own_name() -> None:
    """With a permission that was copied from the command beside it, a caller who may do the one could do the other, and no
    test failed."""
    found: dict[str, set[str]] = {}
    wanted: dict[str, set[str]] = {}
    for command, (permissions, _) in COMMANDS.items():
        name = command.__name__
        tree = ast.parse(dedent(inspect.getsource(permissions)))
        texts = {
            each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)
        }
        actions = {each for each in texts if ACTION.fullmatch(each)} - {PART}
        if actions or name in OPERATIONS:
            found[name] = actions
            wanted[name] = ACTIONS_OF.get(name) or {f"{'iam' if name in IAM else 'kms'}:{name}"}
    assert len(found) >= 30
    assert set(ACTIONS_OF) <= set(found)
    assert found == wanted


def _asked(function: str) -> Iterator[tuple[str, ast.expr]]:
    """(file, first argument) of every call of a function."""
    for package in ("domain", "services"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in nodes(path):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
                    yield str(path.relative_to(ROOT)), node.args[0]


def test_every_operation_whose_key_state_is_asked_has_its_row() -> None:
    """One without a row would end in a KeyError, but `decide` promises never to raise."""
    found = [
        f"{path}: {ast.unparse(operation)}"
        for path, operation in _asked("require_state")
        if not (isinstance(operation, ast.Constant) and operation.value in TABLE)
        and (path, ast.unparse(operation)) not in OF_A_ROW
    ]
    assert found == []


def test_every_use_of_a_key_is_an_operation_and_has_its_row_of_states() -> None:
    assert set(USES) <= {name for name, row in OPERATIONS.items() if isinstance(row, Using)}
    assert set(USES) <= set(TABLE)


def test_operations_that_use_a_key_are_listed_once() -> None:
    """There were four lists of them, and one lacked Encapsulate and Decapsulate."""
    names = {*USES, "ReEncryptFrom", "ReEncryptTo"}
    found = []
    for package in ("domain", "projections", "services"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in nodes(path):
                if isinstance(node, ast.List | ast.Tuple | ast.Set) and len(node.elts) >= 5:
                    texts = [each.value for each in node.elts if isinstance(each, ast.Constant)]
                    uses = [each for each in texts if isinstance(each, str) and each.removeprefix("kms:") in names]
                    if len(uses) == len(node.elts):
                        found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert found == []
