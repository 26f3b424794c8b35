"""The rows of policy-rules.md that need no conditions, identities or grants; each test names its row."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from domain.access import NO_STATEMENT, may_use, root_of
from domain.policy.compile import compile_key_policy
from domain.policy.glob import compile_glob
from tests.given import ACCOUNT, OTHER, arn


def statement(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"} | elements


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def may(text: str, action: str = "kms:Encrypt", account: str = ACCOUNT) -> bool:
    return may_use(root_of(account), action, compile_key_policy(text, arn(), 1), arn()).allowed


def test_row_2_the_root_user_has_no_access_that_the_key_policy_does_not_give() -> None:
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert may(policy(statement(Principal=root)))
    assert not may(policy(statement(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"})))


def test_row_3_an_account_id_is_its_root_arn() -> None:
    assert may(policy(statement(Principal={"AWS": ACCOUNT})))
    assert not may(policy(statement(Principal={"AWS": ACCOUNT})), account=OTHER)


@pytest.mark.parametrize("missing", ["Action", "Resource"])
def test_row_9_a_statement_without_action_or_resource_has_no_effect(missing: str) -> None:
    without = {name: value for name, value in statement().items() if name != missing}
    assert not may(policy(without))
    assert may(policy(statement(), without | {"Effect": "Deny"}))


@pytest.mark.parametrize("action", ["KMS:encrypt", "kms:ENCRYPT", "kms:Encryp?", "kms:E*", "*", "kms:*", "k*:*t"])
def test_row_20_action_names_are_case_insensitive_and_have_wildcards(action: str) -> None:
    assert may(policy(statement(Action=action)))
    assert not may(policy(statement(Action="kms:Decryp?")))


def test_row_23_an_alias_arn_in_resource_is_not_the_key() -> None:
    alias = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a"
    assert not may(policy(statement(Resource=alias)))
    assert may(policy(statement(Resource=arn())))
    assert may(policy(statement(Resource=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*")))


def test_row_30_a_pattern_full_of_stars_takes_no_backtracking() -> None:
    matches = compile_glob("*a*a*a*a*a*a*a*a*b")
    began = time.perf_counter()
    assert not matches("a" * 384)
    assert not compile_glob("*a?*a?*a?*a?*b")("a" * 384)
    # a backtracking matcher takes longer than the universe has; this bound only tells the two apart
    assert time.perf_counter() - began < 1


def test_a_deny_beats_every_allow() -> None:
    assert not may(policy(statement(), statement(Effect="Deny", Action="kms:Encrypt")))
    assert may(policy(statement(), statement(Effect="Deny", Action="kms:Decrypt")))


def test_not_action_not_resource_and_not_principal() -> None:
    assert may(policy({"Effect": "Allow", "Principal": "*", "NotAction": "kms:Decrypt", "Resource": "*"}))
    assert not may(policy({"Effect": "Allow", "Principal": "*", "NotAction": "kms:E*", "Resource": "*"}))
    assert may(policy({"Effect": "Allow", "Principal": "*", "Action": "*", "NotResource": "arn:aws:s3:::x"}))
    assert not may(policy({"Effect": "Allow", "Principal": "*", "Action": "*", "NotResource": arn()}))
    everyone_else = {"Effect": "Deny", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "*", "Resource": "*"}
    assert may(policy(statement(), everyone_else))
    assert not may(policy(statement(), everyone_else), account=OTHER)


@pytest.mark.parametrize("condition", [{"Bool": {"aws:SecureTransport": "true"}}, {}])
def test_until_conditions_are_evaluated_a_statement_with_one_never_allows_and_always_denies(condition: Any) -> None:
    conditional = statement(Condition=condition)
    assert not may(policy(conditional))
    assert not may(policy(statement(), conditional | {"Effect": "Deny"}))


def test_the_deciding_statement_is_named() -> None:
    text = policy(statement(Sid="one", Action="kms:Decrypt"), statement(Sid="two"), statement(Sid="three", Effect="Deny", Action="kms:Sign"))  # fmt: skip
    compiled = compile_key_policy(text, arn(), 7)
    allowed = may_use(root_of(ACCOUNT), "kms:Encrypt", compiled, arn())
    assert allowed.document()["by"] == {"policy": arn(), "version": 7, "sid": "two", "index": 1}
    denied = may_use(root_of(ACCOUNT), "kms:Sign", compiled, arn())
    assert denied.document()["by"] == {"policy": arn(), "version": 7, "sid": "three", "index": 2}
    nobody = may_use(root_of(ACCOUNT), "kms:Encrypt", compile_key_policy(policy(statement(Action="kms:Sign")), arn(), 1), arn())  # fmt: skip
    assert nobody.document()["by"] == {"rule": NO_STATEMENT}
