"""Root of account B, once more: the property of non-interference finds each leak that is put back into the code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis.errors import UnsatisfiedAssumption

from domain.authorization.audience import Audience, Told
from domain.commands import users_and_groups
from domain.errors import KeyNotFound, NoSuchEntity
from domain.keys import key as keys
from domain.keys.key import Key
from domain.state import principals, world
from domain.state.callers import caller_for
from domain.state.world import World
from projections.history import queries
from services.audit_api.context import AuditContext
from services.operations.rows import Reading, Request, in_own_account
from services.operations.table import BY_NAME
from services.questions import who_can
from tests.attacks import test_non_interference as property_of
from tests.attacks.accounts import ENDPOINTS, A, B, C

TOLD_ALL: dict[str, Callable[..., Any]] = {
    "owns": lambda self, account: True,
    "require": lambda self, account: None,
    "who": lambda self, account, principal: principal,
    "call": lambda self, row: dict(row),
    "_called_out": lambda self, told: None,
    "_called_upon": lambda self, told: None,
    "_foreign": lambda self, resource: False,
    "event": lambda self, event: dict(event),
    "reasons": lambda self, reasons: [dict(each) for each in reasons],
    "_is_own": lambda self, by, ours: True,
    "case": lambda self, case: (case["principal"], True),
    "change": lambda self, row, members: {name: row[name] for name in members},
}
"""Each method of Audience as if it withheld nothing. Left out are `own`, since every route requires the account first,
and `require_reference`, which a single route uses (test_root_of_another_account.py)."""


def _assume(condition: bool) -> None:
    if not condition:
        raise UnsatisfiedAssumption


@pytest.fixture(autouse=True)
def outside_of_hypothesis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call the property's body with our own states."""
    monkeypatch.setattr(property_of, "assume", _assume)


def found(worlds: int = 40) -> bool:
    """Whether the property fails in one of its states."""
    asked: Any = property_of.test_no_answer_to_one_account_changes_by_what_another_does_among_itself
    chance = Random(1)
    more = [(chance.randrange(2**32), chance.randint(4, 30), chance.randint(1, 4)) for _ in range(worlds)]
    for example in (*property_of.WORLDS, *more):
        try:
            asked.hypothesis.inner_test(*example)
        except UnsatisfiedAssumption:
            continue
        except AssertionError:
            return True
    return False


def everywhere(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], leaking: Callable[..., Any]) -> None:
    """In every module that has imported it."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("domain", "services"):
            for member in [each for each, value in vars(module).items() if value is function]:
                monkeypatch.setattr(module, member, leaking)


@pytest.mark.soak
def test_as_long_as_nothing_leaks_nothing_is_found() -> None:
    assert not found()


@pytest.mark.soak
@pytest.mark.parametrize("method", TOLD_ALL)
def test_a_method_of_audience_that_withholds_nothing_is_found(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Audience, method, TOLD_ALL[method])
    assert found()


@pytest.mark.soak
def test_a_status_with_everybodys_keys_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def status(audit: AuditContext, request: Any) -> Told:
        return Told({"keys": len(audit.live.world.keys)})

    monkeypatch.setitem(ENDPOINTS, "status", status)
    assert found()


@pytest.mark.soak
def test_a_boundary_of_another_account_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def require_boundary(arn: str, account: str, world: World) -> None:
        if arn and world.directory.managed(arn) is None:
            raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")

    everywhere(monkeypatch, users_and_groups.require_boundary, require_boundary)
    assert found()


@pytest.mark.soak
@pytest.mark.parametrize("looked_up", [False, True], ids=["listed", "looked up"])
def test_identities_of_every_account_in_an_answers_world_are_found(
    looked_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """who-can lists A's users then; can-what and explain follow A's policies for a foreign principal."""
    of_accounts = queries.of_accounts

    async def leaking(connection: Any, position: int, accounts: Sequence[str], kinds: Sequence[str]) -> list[Any]:
        return await of_accounts(connection, position, [A, B, C], kinds)

    monkeypatch.setattr(queries, "of_accounts", leaking)
    if looked_up:
        monkeypatch.setattr(who_can, "foreign", lambda world, key, account, name: caller_for(world, name))
        monkeypatch.setattr(who_can, "_hosted", lambda world, resource: ())
    assert found()


@pytest.mark.soak
def test_a_refusal_of_foreign_principals_that_are_not_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    meaning = principals.meaning

    def leaking(name: str, world: World, account: str) -> str | None:
        found = meaning(name, world, account)
        return None if found is not None and found.startswith(principals.ABSENT) else found

    everywhere(monkeypatch, meaning, leaking)
    assert found()


@pytest.mark.soak
def test_whom_a_foreign_principal_of_a_policy_meant_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """GetKeyPolicy would reveal by a unique id that A's user is gone."""
    monkeypatch.setattr(principals, "account_in", lambda name: B)
    assert found()


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["key", "alias"])
def test_a_leak_about_a_missing_foreign_resource_is_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that exists but does not admit the caller would be refused in other words."""
    absent = keys.absent

    def leaking(key_id: str, arn: str, account: str) -> Key:
        if (kind == "alias") == (":alias/" in arn):
            raise KeyNotFound(f"{arn} does not exist")
        return absent(key_id, arn, account)

    monkeypatch.setattr(world, "keys", SimpleNamespace(**(vars(keys) | {"absent": leaking})))
    assert found()


@pytest.mark.soak
def test_aliases_of_a_foreign_key_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The former behaviour: the caller's own aliases of the same name, and a fault if there are none."""
    row = BY_NAME["ListAliases"]
    assert isinstance(row, Reading)
    run = row.run

    def leaking(request: Request, world: World) -> dict[str, Any]:
        key = world.keys.get(str(request.parameters.get("KeyId", "")).rpartition("/")[2])
        if key is None or key.account == request.caller.account:
            return run(request, world)
        return {"Aliases": [name in world.alias_names(request.caller.account) for name in world.aliases_of(key.id)]}

    monkeypatch.setitem(BY_NAME, "ListAliases", replace(row, access=in_own_account("kms:ListAliases"), run=leaking))
    assert found()
