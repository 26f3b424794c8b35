"""Which calls a draft of a policy can change: those left out are not decided again, so nobody who is meant may be left out."""

from __future__ import annotations

from typing import Any

import pytest

from domain.policy_analysis.space import Side
from services.questions.touched_calls import _touched
from tests.given import ACCOUNT, a_key, given, key_id
from tests.policies import delegating, named, policy, user_arn

OLD = policy(delegating())


@pytest.mark.parametrize("pattern", [f"arn:aws:iam::{ACCOUNT}:user/dev-*", f"arn:aws:iam::{ACCOUNT}:role/ci-*"])
def test_a_pattern_of_callers_means_everybody(pattern: str) -> None:
    """It was taken for the one caller who stood for it as an example, whom nobody has."""
    touched = _of(named("*", Effect="Deny", Action="kms:Encrypt", Condition={"ArnLike": {"aws:PrincipalArn": pattern}}))
    assert (touched.operations, touched.principals) == (["Encrypt"], None)


def test_a_named_caller_means_that_one() -> None:
    assert _of(named(user_arn(), Effect="Deny", Action="kms:Encrypt")).principals == [user_arn()]


def _of(statement: dict[str, Any]) -> Any:
    key = given(a_key(policy=OLD)).world.keys[key_id()]
    return _touched(key, Side(policy(delegating(), statement)), [Side(OLD)])
