"""Whom an alert names where a policy means its callers by a pattern. A caller made to meet the pattern does not exist: who reads its
name looks for nobody, and an entry of the allow-list for that name would cover all whom the pattern means."""

from __future__ import annotations

from typing import Any

import pytest

from domain.alerts.allow import Allow
from domain.alerts.settings import AlertSettings
from tests.alert_cases import ADMIN, NOW, ROOT, ROOTED, UNKNOWN, USER, a_statement, policy, put
from tests.given import ACCOUNT, arn

CI, THEIRS = f"arn:aws:iam::{ACCOUNT}:role/ci-*", f"arn:aws:iam::{UNKNOWN}:role/ci-*"
ROLES = f"roles of {ACCOUNT} that meet ArnLike aws:PrincipalArn {CI}"


def met(operator: str, key: str, wanted: str | list[str]) -> dict[str, Any]:
    return {"Condition": {operator: {key: wanted}}}


CI_ROLES = met("ArnLike", "aws:PrincipalArn", CI)


@pytest.mark.parametrize(
    ("statement", "rule", "subject", "whom", "words"),
    [
        (a_statement("*", "kms:Decrypt", **CI_ROLES), "key-policy-decrypt", arn(), [ROLES], f"lets {ROLES} decrypt"),
        (a_statement("*", "kms:PutKeyPolicy", **CI_ROLES), "key-policy-administrator", arn(), [ROLES], f"{ROLES} may"),
        (
            a_statement("*", "kms:Decrypt", **met("ArnLike", "aws:PrincipalArn", THEIRS)),
            "key-policy-unknown-account", UNKNOWN,
            [f"roles of {UNKNOWN} that meet ArnLike aws:PrincipalArn {THEIRS}"], f"account {UNKNOWN}",
        ),
        (
            a_statement("*", "kms:Decrypt", **met("StringLike", "aws:PrincipalAccount", "4444*")),
            "key-policy-unknown-account", arn(),
            ["roles, roots and users that meet StringLike aws:PrincipalAccount 4444*"],
            "accounts by a pattern, roles, roots and users that meet StringLike aws:PrincipalAccount 4444*",
        ),
        (
            a_statement([ROOT, USER], "kms:Decrypt", **met("StringLike", "aws:PrincipalArn", "*:user/r*")),
            "key-policy-decrypt", arn(), [USER], f"lets {USER} decrypt",
        ),
    ],
)  # fmt: skip
def test_an_alert_names_the_pattern_and_nobody_who_was_made_to_meet_it(
    statement: dict[str, Any], rule: str, subject: str, whom: list[str], words: str
) -> None:
    (one,) = [each for each in put(policy(ROOTED), policy(ROOTED, statement)) if each.rule.id == rule]
    assert (one.finding.subject, list(one.finding.about)) == (subject, whom)
    assert words in one.finding.summary


IS_SERVICE = {"Bool": {"aws:PrincipalIsAWSService": "true"}}


@pytest.mark.parametrize(
    ("condition", "whom"),
    [
        ({"StringLike": {"aws:PrincipalServiceName": "ec2*"}}, "services that meet StringLike aws:PrincipalServiceName ec2*"),
        ({"StringLike": {"aws:PrincipalServiceName": "s*"}}, "services that meet StringLike aws:PrincipalServiceName s*"),
        (
            {"StringLike": {"aws:PrincipalServiceName": "*e*.amazonaws.com"}},
            "services that meet StringLike aws:PrincipalServiceName *e*.amazonaws.com",
        ),
        (
            {"StringNotLike": {"aws:PrincipalServiceName": "ec2*"}, **IS_SERVICE},
            "services that meet StringNotLike aws:PrincipalServiceName ec2* and Bool aws:PrincipalIsAWSService true",
        ),
        (IS_SERVICE, "any service"),
        ({"StringLike": {"aws:PrincipalServiceName": "*"}}, "any service"),
    ],
)  # fmt: skip
def test_a_pattern_of_services_is_told_as_it_is_written(condition: dict[str, Any], whom: str) -> None:
    """It said "any service" of every pattern that a name made for "any other service" meets, such as `s*`."""
    (one,) = put(policy(ROOTED), policy(ROOTED, a_statement("*", "kms:Decrypt", Condition=condition)))
    assert (one.rule.id, one.finding.about) == ("key-policy-service", (whom,))


@pytest.mark.parametrize(
    ("wanted", "rule", "whom"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/s*", "key-policy-decrypt", f"roles of {ACCOUNT} that meet"),
        (f"arn:aws:iam::{UNKNOWN}:user/s*", "key-policy-unknown-account", f"users of {UNKNOWN} that meet"),
        (f"arn:aws:iam::{ACCOUNT}:role/*", "key-policy-decrypt", f"other roles of {ACCOUNT}"),
    ],
)
def test_whoever_stands_for_all_others_meets_a_pattern_by_chance(wanted: str, rule: str, whom: str) -> None:
    """The alert named all roles of the account, since the name that stands for them is "somebody-else"."""
    statement = a_statement("*", "kms:Decrypt", **met("ArnLike", "aws:PrincipalArn", wanted))
    (one,) = [each for each in put(policy(ROOTED), policy(ROOTED, statement)) if each.rule.id == rule]
    assert one.finding.about == (f"{whom} ArnLike aws:PrincipalArn {wanted}" if whom.endswith("meet") else whom,)


def test_who_no_longer_meets_a_deny_is_named_by_its_pattern() -> None:
    denied = a_statement("*", "kms:*", effect="Deny", **CI_ROLES)
    (one,) = [each for each in put(policy(ROOTED, denied), policy(ROOTED)) if each.rule.id == "key-policy-deny-dropped"]
    assert one.finding.about == (ROLES,)


def test_an_entry_for_a_name_does_not_cover_all_whom_a_pattern_means() -> None:
    """The name is the one that a caller was given to meet the pattern."""
    entry = Allow("*", "one role", NOW * 2, principal=CI.removesuffix("*"))
    new = policy(ROOTED, a_statement("*", "kms:Decrypt", **CI_ROLES))
    found = put(policy(ROOTED), new, settings=AlertSettings(allow=(entry,)))
    assert [(each.rule.id, each.suppressed) for each in found] == [("key-policy-decrypt", None)]


@pytest.mark.parametrize(
    ("key", "wanted", "rule"),
    [
        ("aws:PrincipalServiceName", "s*", "key-policy-service"),
        ("aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:user/s*", "key-policy-decrypt"),
        ("aws:PrincipalArn", f"arn:aws:iam::{UNKNOWN}:role/z*", "key-policy-unknown-account"),
    ],
)
def test_a_pattern_of_the_allow_list_is_not_met_by_what_a_condition_says(key: str, wanted: str, rule: str) -> None:
    """Gained: a second value, which nobody meets, and an entry for the build's roles covered everybody else."""
    new = policy(ROOTED, a_statement("*", "kms:Decrypt", **met("StringLike", key, [wanted, "x:role/ci-x"])))

    def suppressed_by(principal: str) -> list[bool]:
        entry = Allow("*", "the build", NOW * 2, principal=principal)
        found = put(policy(ROOTED), new, settings=AlertSettings(allow=(entry,)))
        return [each.suppressed is not None for each in found if each.rule.id == rule]

    (words,) = [each.finding.about for each in put(policy(ROOTED), new) if each.rule.id == rule]
    assert suppressed_by("*:role/ci-*") == [False]
    assert suppressed_by(words[0]) == [len(words) == 1]
    assert suppressed_by("*") == [True]


def test_a_pattern_is_not_one_principal_alone() -> None:
    """Nobody knows how many roles it means."""
    one = put(policy(ROOTED), policy(a_statement(ADMIN, "kms:*")))
    assert "key-policy-last-administrator" in {each.rule.id for each in one}
    some = put(policy(ROOTED), policy(a_statement("*", "kms:*", **CI_ROLES)))
    assert "key-policy-last-administrator" not in {each.rule.id for each in some}
