"""Who counts as a new administrator of a key: a grant that an AWS service makes for its caller makes nobody one.

Source: developer guide, key-policy-default (the console's statements) and conditions-kms (kms:GrantIsForAWSResource).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from domain.alerts.engine.alert import Alert
from domain.policy.console_form import ConsoleForm, kind_of, make
from tests.alert_cases import ADMIN, FOR_ITS_RESOURCES, GRANTS, ROOTED, THIRD, USER, a_statement, policy, put
from tests.given import ACCOUNT, OTHER

RULE = "key-policy-administrator"


def administrators(old: str, new: str) -> list[Alert]:
    return [each for each in put(old, new) if each.rule.id == RULE]


def grants(condition: dict[str, Any], *actions: str) -> dict[str, Any]:
    return a_statement(USER, *(actions or GRANTS), Condition=condition)


people = st.lists(st.sampled_from([ADMIN, USER, THIRD]), unique=True, max_size=3)
accounts = st.lists(st.just(OTHER), max_size=1)


@examples(before=people, more=people, others=accounts)
def test_a_new_user_of_the_consoles_policy_is_no_administrator(
    before: Sequence[str], more: Sequence[str], others: Sequence[str]
) -> None:
    kind = kind_of("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    forms = [ConsoleForm(ACCOUNT, (ADMIN,), tuple(users), tuple(others)) for users in (before, {*before, *more})]
    assert administrators(*(make(kind, each) for each in forms)) == []


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(a_statement(USER, "kms:CreateGrant"), id="no condition"),
        pytest.param(a_statement(USER, "kms:RevokeGrant"), id="revokes any grant"),
        pytest.param(grants({"Bool": {"kms:GrantIsForAWSResource": "false"}}), id="its own calls only"),
        pytest.param(grants({"BoolIfExists": {"kms:GrantIsForAWSResource": "true"}}, "kms:*"), id="more than grants"),
        pytest.param(grants({"Null": {"kms:GrantIsForAWSResource": "false"}}), id="true or false"),
        pytest.param(grants({"Bool": {"aws:SecureTransport": "true"}}), id="another condition"),
        pytest.param(grants({"StringLike": {"kms:GrantIsForAWSResource": "*"}}), id="any value"),
        pytest.param(grants({"StringEquals": {"kms:GrantIsForAWSResource": "${aws:username}"}}), id="not known"),
    ],
)
def test_a_grant_that_the_principal_may_create_itself_makes_an_administrator(statement: dict[str, Any]) -> None:
    (alert,) = administrators(policy(ROOTED), policy(ROOTED, statement))
    assert alert.finding.about == (USER,)


def test_the_rest_of_a_service_user_s_rights_still_counts() -> None:
    """Before the exception, a principal that a service could grant for was an administrator already, and raised nothing."""
    before = policy(ROOTED, FOR_ITS_RESOURCES)
    (alert,) = administrators(before, policy(ROOTED, FOR_ITS_RESOURCES, a_statement(USER, "kms:CreateGrant")))
    assert alert.finding.summary == f"{USER} may administer the key now: kms:CreateGrant"
    (alert,) = administrators(before, policy(ROOTED, FOR_ITS_RESOURCES, a_statement(USER, "kms:PutKeyPolicy")))
    assert alert.finding.summary == f"{USER} may administer the key now: kms:PutKeyPolicy"


def test_the_condition_counts_wherever_it_is_asked() -> None:
    """A Deny of every other grant leaves what an Allow with the condition gives."""
    direct = a_statement(
        USER, "kms:CreateGrant", effect="Deny", Condition={"BoolIfExists": {"kms:GrantIsForAWSResource": "false"}}
    )
    assert administrators(policy(ROOTED), policy(ROOTED, direct, a_statement(USER, "kms:CreateGrant"))) == []
