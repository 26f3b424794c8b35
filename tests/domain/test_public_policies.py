"""Which key policies let in strangers, as the check of a draft and the alert about a change say it."""

from __future__ import annotations

import pytest

from domain.keys.states import KEY_ACTIONS
from domain.policy_analysis.check import Policies, not_public
from domain.policy_analysis.outcomes import FAILED, PASSED
from domain.policy_analysis.space import Side
from tests.domain.test_alert_rules import ROOTED, allow, made, policy
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
    text = policy(ROOTED, allow("*", "kms:Decrypt", Condition={"StringLike": {key: patterns}}))
    assert ("key-policy-public" in {each.rule.id for each in made(text)}) is public
    checked = not_public(Policies(Side(text), ACCOUNT, KEY_ACTIONS, arn()))["answer"]
    assert checked == (FAILED if public else PASSED)


def test_two_conditions_of_which_strangers_choose_a_part_each_do_not_make_a_policy_private() -> None:
    both = {"StringLike": {"aws:userid": "AROA*"}, "StringLikeIfExists": {"aws:userid": "*:admin"}}
    assert "key-policy-public" in {
        each.rule.id for each in made(policy(ROOTED, allow("*", "kms:Decrypt", Condition=both)))
    }
