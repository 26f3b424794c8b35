"""Actions that statements allow but that do not use a key: their use is not looked for, and the answer says so."""

from __future__ import annotations

from typing import Any

import pytest

from domain.policy.compile import IDENTITY_POLICY, compile_identity_policy
from domain.policy.parse import MANAGED
from services.questions.unused import of_rules
from tests.policies import policy, to_identity


@pytest.mark.parametrize(
    ("elements", "unused", "not_counted", "never_used"),
    [
        ({"Action": ["kms:Encrypt", "sts:AssumeRole", "kms:ListKeys"]}, ["kms:Encrypt"], ["kms:ListKeys", "sts:AssumeRole"], True),
        ({"Action": "keytrail:*"}, [], ["keytrail:*"], False),
        ({"Action": "kms:Encrypt"}, ["kms:Encrypt"], [], True),
        ({"Action": "kms:Encryp*"}, ["kms:Encrypt"], [], True),
        ({"Action": "sts:AssumeRole"}, [], ["sts:AssumeRole"], False),
    ],
)  # fmt: skip
def test_every_row_says_which_actions_are_unused_or_not_counted(
    elements: dict[str, Any], unused: list[str], not_counted: list[str], never_used: bool
) -> None:
    rules = compile_identity_policy(policy(to_identity(**elements)), IDENTITY_POLICY, "p", "v1", MANAGED)
    (row,) = of_rules(rules, {})
    assert (row["unused"], row["not_counted"], row["never_used"]) == (unused, not_counted, never_used)


def test_a_statement_about_an_omitted_subject_says_so() -> None:
    statement = {"Effect": "Allow", "NotAction": ["kms:*", "iam:*"], "Resource": "*"}
    rules = compile_identity_policy(policy(statement), IDENTITY_POLICY, "p", "v1", MANAGED)
    (row,) = of_rules(rules, {})
    assert (row["unused"], row["not_counted"], row["never_used"]) == ([], ["everything but kms:*, iam:*"], False)
