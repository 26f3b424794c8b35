"""Which key policies let in strangers, as the check of a draft and the alert about a change say it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.keys.states import KEY_ACTIONS
from domain.policy_analysis.check import Policies, not_public
from domain.policy_analysis.outcomes import FAILED, PASSED
from domain.policy_analysis.space import Side
from tests.alert_cases import ROOTED, a_statement, made, policy
from tests.given import ACCOUNT, arn


@pytest.mark.parametrize(
    ("key", "patterns", "public"),
    [
        ("aws:userid", ["AROA*"], True),
        ("aws:userid", ["*:admin"], True),
        ("aws:userid", ["*:*"], True),
        ("aws:userid", ["AIDA*", "AROA?????????????????:ci-*"], True),
        ("aws:userid", ["AROAEXAMPLEEXAMPLE123:*"], False),
        ("aws:userid", ["AIDAEXAMPLEEXAMPLE123"], False),
        ("aws:FederatedProvider", ["arn:aws:iam::*:oidc-provider/accounts.google.com"], True),
        ("aws:FederatedProvider", ["*/accounts.google.com"], True),
        ("aws:FederatedProvider", ["arn:aws:iam::111122223333:oidc-provider/*"], False),
        ("aws:SourceArn", ["arn:aws:sns:us-east-1:*:*"], True),
        ("aws:SourceArn", ["arn:aws:s3:::acme-*"], True),
        ("aws:SourceArn", ["arn:aws:s3:::acme/*"], False),
        ("aws:SourceArn", ["arn:aws:sns:*:111122223333:*"], False),
    ],
)
def test_a_condition_that_strangers_choose_to_meet_does_not_make_a_policy_private(
    key: str, patterns: list[str], public: bool
) -> None:
    """A stranger names their own sessions, providers, topics and buckets."""
    text = policy(ROOTED, a_statement("*", "kms:Decrypt", Condition={"StringLike": {key: patterns}}))
    assert ("key-policy-public" in {each.rule.id for each in made(text)}) is public
    checked = not_public(Policies(Side(text), ACCOUNT, KEY_ACTIONS, arn()))["answer"]
    assert checked == (FAILED if public else PASSED)


def test_two_conditions_of_which_strangers_choose_a_part_each_do_not_make_a_policy_private() -> None:
    both = {"StringLike": {"aws:userid": "AROA*"}, "StringLikeIfExists": {"aws:userid": "*:admin"}}
    assert "key-policy-public" in {
        each.rule.id for each in made(policy(ROOTED, a_statement("*", "kms:Decrypt", Condition=both)))
    }


SOMEWHERE = {"Null": {"aws:SourceIp": "false"}}
"""Calls through a VPC endpoint have no such address."""


@pytest.mark.parametrize(
    ("condition", "public"),
    [
        ({"NotIpAddress": {"aws:SourceIp": ["8.8.8.8/32", "2001:4860:4860::8888/128"]}, **SOMEWHERE}, True),
        ({"IpAddress": {"aws:SourceIp": "128.0.0.0/1"}}, True),
        ({"IpAddress": {"aws:SourceIp": [f"{number}.0.0.0/9" for number in range(1, 10)]}}, True),
        ({"IpAddress": {"aws:SourceIp": "2600::/12"}}, True),
        ({"IpAddress": {"aws:SourceIp": ["198.51.100.0/24", "2001:db8::/32", "10.0.0.0/8"]}}, False),
        ({"IpAddress": {"aws:SourceIp": ["52.94.0.0/16", "2600:1f00::/24"]}}, False),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-stranger00"}, "Null": {"aws:PrincipalOrgID": "false"}}, True),
        ({"StringLike": {"aws:userid": "A*"}, "StringNotLike": {"aws:userid": "*STRANGER*"}}, True),
        ({"StringNotLike": {"aws:PrincipalAccount": "9999*"}}, True),
        ({"StringLike": {"aws:PrincipalAccount": "4444*"}}, False),  # one account in ten thousand
        ({"StringLike": {"aws:PrincipalAccount": ["1*", "2*", "3*", "4*", "5*"]}}, True),
        ({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::9999*:*"}}, True),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-0stranger0"}, "Null": {"aws:SourceVpc": "false"}}, True),
        ({"StringNotLike": {"aws:PrincipalOrgID": "o-[a]*"}, "StringLike": {"aws:PrincipalOrgID": "o-acme*"}}, False),
        ({"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}, True),
    ],
)
def test_a_policy_cannot_spare_the_strangers_who_are_tried(condition: dict[str, Any], public: bool) -> None:
    """They stood in the source, and a policy that let in everybody but those passed the check without an alert."""
    text = policy(ROOTED, a_statement("*", "kms:Decrypt", Condition=condition))
    assert ("key-policy-public" in {each.rule.id for each in made(text)}) is public
    assert not_public(Policies(Side(text), ACCOUNT, KEY_ACTIONS, arn()))["answer"] == (FAILED if public else PASSED)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"aws:SourceAccount": "999999999999"}, "Null": {"aws:SourceAccount": "false"}},
        {"ArnNotLike": {"aws:SourceArn": "arn:aws:s3:::strangers-bucket"}, "Null": {"aws:SourceArn": "false"}},
    ],
)
def test_a_service_for_nearly_everybody_is_told(condition: dict[str, Any]) -> None:
    service = a_statement("*", "kms:Decrypt", Condition=condition) | {"Principal": {"Service": "s3.amazonaws.com"}}
    assert "key-policy-service" in {each.rule.id for each in made(policy(ROOTED, service))}


def test_many_patterns_before_it_hide_no_pattern_that_strangers_meet() -> None:
    """What the patterns were filled with ended after some forty signs, and no stranger met the last of them."""
    padding = [f"AIDA{number:017}:{'?' * 9}" for number in range(40)]
    condition = {"StringLike": {"aws:userid": [*padding, "AROAX????????????????:ci"]}}
    assert "key-policy-public" in {
        each.rule.id for each in made(policy(ROOTED, a_statement("*", "kms:Decrypt", Condition=condition)))
    }
