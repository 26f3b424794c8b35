"""Which calls a draft of a policy can change: those left out are not decided again, so nobody who is meant may be left out."""

from __future__ import annotations

from typing import Any

import pytest

from domain.policy_analysis.space import Side
from services.questions.touched_calls import _Differences, _differences
from tests.given import ACCOUNT, a_key, given, key_id
from tests.policies import delegating, named, policy, user_arn

OLD = policy(delegating())


@pytest.mark.parametrize("pattern", [f"arn:aws:iam::{ACCOUNT}:user/dev-*", f"arn:aws:iam::{ACCOUNT}:role/ci-*"])
def test_a_pattern_of_callers_means_everybody(pattern: str) -> None:
    """It was taken for the one caller who stood for it as an example, whom nobody has."""
    meant = named("*", Effect="Deny", Action="kms:Encrypt", Condition={"ArnLike": {"aws:PrincipalArn": pattern}})
    touched = _of(meant).calls()
    assert (touched.operations, touched.principals) == (["Encrypt"], None)


def test_a_username_means_users_of_every_path() -> None:
    """It was taken for the user without a path."""
    meant = named("*", Effect="Deny", Action="kms:Encrypt", Condition={"StringEquals": {"aws:username": "alice"}})
    assert _of(meant).calls().principals is None


def test_a_named_caller_means_that_one() -> None:
    assert _of(named(user_arn(), Effect="Deny", Action="kms:Encrypt")).calls().principals == [user_arn()]


def test_an_arn_means_whoever_had_it_when_the_policy_was_put() -> None:
    ids = {user_arn(): "AIDAEXAMPLEEXAMPLE123"}
    assert _of(named(user_arn(), Effect="Deny", Action="kms:Encrypt"), ids).uniques == {"AIDAEXAMPLEEXAMPLE123"}


def _of(statement: dict[str, Any], ids: dict[str, str] | None = None) -> _Differences:
    key = given(a_key(policy=OLD)).world.keys[key_id()]
    found = _differences(key, Side(policy(delegating(), statement), ids or {}), [Side(OLD)])
    assert found is not None
    return found
