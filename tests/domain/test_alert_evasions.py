"""Ways around a rule on changes: each was silent once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.alerts.allow import Allow
from domain.alerts.change import Facts, Version
from domain.alerts.engine.alert import Alert
from domain.alerts.settings import AlertSettings
from domain.log import events
from domain.log import identity_events as identities
from tests.alert_cases import NOW, ROLE, ROOT, ROOTED, UNKNOWN, USER, a_statement, grant, judged, policy, put
from tests.attacks import costly
from tests.given import ACCOUNT, OTHER, a_key, key_id

PUBLISHED = a_statement("*", "kms:GetPublicKey")
"""Public, and harmless by itself."""


def rules(alerts: list[Alert]) -> set[str]:
    return {each.rule.id for each in alerts if each.suppressed is None}


def test_a_harmless_public_statement_hides_nothing_else_of_its_policy() -> None:
    """Gained: another account, a new reader and a service, with one alert that says that the public key is public."""
    logs = {**a_statement("*", "kms:Decrypt"), "Principal": {"Service": "logs.amazonaws.com"}}
    theirs, others = (a_statement(f"arn:aws:iam::{each}:root", "kms:*") for each in (UNKNOWN, OTHER))
    found = put(policy(ROOTED), policy(ROOTED, PUBLISHED, theirs, others, a_statement(USER, "kms:*"), logs))
    assert rules(found) == {
        "key-policy-public", "key-policy-unknown-account", "key-policy-known-account", "key-policy-service",
        "key-policy-decrypt", "key-policy-administrator", "key-policy-both",
    }  # fmt: skip
    delegated = put(
        policy(a_statement(USER, "kms:PutKeyPolicy")), policy(ROOTED, PUBLISHED, a_statement(USER, "kms:PutKeyPolicy"))
    )
    assert {"key-policy-public", "key-policy-delegated"} <= rules(delegated)


def test_who_knows_the_public_key_to_be_public_hears_of_the_rest() -> None:
    known = AlertSettings(allow=(Allow("key-policy-public", "a key for verifying", NOW * 2, key="*"),))
    theirs = a_statement(f"arn:aws:iam::{UNKNOWN}:root", "kms:*")
    for found in (
        put(policy(ROOTED), policy(ROOTED, PUBLISHED, theirs), settings=known),
        judged(a_key(policy=policy(ROOTED, PUBLISHED, theirs)), settings=known),
    ):
        assert rules(found) == {"key-policy-unknown-account"}


def test_what_everyone_may_do_is_told_once() -> None:
    """Also beside conditions on what a stranger has a value for, and for principals that the policy names."""
    sourced = {"StringEquals": {"aws:SourceArn": "arn:aws:s3:::ours"}}
    named = a_statement([USER, f"arn:aws:iam::{UNKNOWN}:root"], "kms:Decrypt")
    new = policy(ROOTED, a_statement("*", "kms:Decrypt"), named, a_statement(USER, "kms:Decrypt", Condition=sourced))
    assert rules(put(policy(ROOTED), new)) == {"key-policy-public"}


def test_who_needs_fewer_conditions_than_everyone_is_told_of() -> None:
    inside = a_statement("*", "kms:Decrypt", Condition={"StringEquals": {"kms:EncryptionContext:app": "web"}})
    found = put(policy(ROOTED), policy(ROOTED, inside, a_statement(USER, "kms:Decrypt")))
    assert rules(found) == {"key-policy-public", "key-policy-decrypt"}


GRANTED = events.GrantCreated(key_id(), "g1", "", USER, USER, "", "", ["Decrypt"], {}, ACCOUNT, ROOT, "")
CONTEXT = {"StringEquals": {"kms:EncryptionContext:tenant": "a"}}
THROUGH_S3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
OTHER_TENANT, SAME_TENANT, MORE = (
    {"EncryptionContextSubset": pairs} for pairs in ({"tenant": "b"}, {"Tenant": "a"}, {"tenant": "a", "app": "x"})
)


def reads_under(condition: Any) -> str:
    return policy(ROOTED, a_statement(USER, "kms:Decrypt", Condition=condition))


@pytest.mark.parametrize("constraints", [OTHER_TENANT, {}, {"EncryptionContextSubset": {}}])
@pytest.mark.parametrize(
    ("condition", "key"),
    [
        (CONTEXT, "kms:EncryptionContext:tenant"),
        (THROUGH_S3, "kms:ViaService"),
        (WITH_MFA, "aws:MultiFactorAuthPresent"),
        ({"StringEquals": {"kms:EncryptionContext:user": "${aws:username}"}}, "kms:EncryptionContext:user"),
    ],
)
def test_a_grant_that_asks_for_less_than_the_policy_is_new_access(condition: Any, key: str, constraints: Any) -> None:
    """Gained: decryption without the tenant, the service or the second factor that the key policy asks for."""
    found = grant(USER, "Decrypt", old=reads_under(condition), constraints=constraints)
    (alert,) = (each for each in found if each.rule.id == "grant-new-access")
    assert alert.finding.summary == f"{USER} could not do this before: Decrypt without {key}"
    assert alert.finding.evidence["free_of"] == [key]


@pytest.mark.parametrize("constraints", [SAME_TENANT, MORE, {"EncryptionContextEquals": {"tenant": "a"}}])
def test_a_grant_that_asks_for_as_much_as_the_policy_is_nothing_new(constraints: Any) -> None:
    assert rules(grant(USER, "Decrypt", old=reads_under(CONTEXT), constraints=constraints)) == set()


def test_a_grant_is_as_limited_by_a_roles_boundary_as_a_policy() -> None:
    """What the boundary asks for, the grant's requests have to meet too."""
    bounded = (
        {
            "Effect": "Allow",
            "Action": "kms:*",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
        },
    )
    limits = identities.ManagedPolicyCreated(ACCOUNT, "ANPA0000000000000009", "limits", "/", "", policy(*bounded), {})
    bound = identities.BoundarySet(ACCOUNT, "role", ROLE.id, f"arn:aws:iam::{ACCOUNT}:policy/limits")
    role = f"arn:aws:iam::{ACCOUNT}:role/app"
    given = judged(
        replace(GRANTED, grantee=role, grantee_id=role), a_key(policy=policy(ROOTED, a_statement(role, "kms:Decrypt"))),
        ROLE, limits, bound,
    )  # fmt: skip
    assert rules(given) == {"grant-unconstrained"}


def test_a_grant_gives_back_what_a_new_condition_took() -> None:
    free, bound = policy(ROOTED, a_statement(USER, "kms:Decrypt")), reads_under(CONTEXT)
    was_free = Facts(versions=(Version(1, free, {}, NOW),))
    assert "grant-gives-back" in rules(grant(USER, "Decrypt", old=bound, facts=was_free))
    assert "grant-gives-back" not in rules(grant(USER, "Decrypt", old=bound, facts=was_free, constraints=SAME_TENANT))
    always_bound = Facts(versions=(Version(1, bound, {}, NOW),))
    assert "grant-gives-back" not in rules(grant(USER, "Decrypt", old=bound, facts=always_bound))
    vpcs = [
        a_statement(USER, "kms:Decrypt", Condition={"StringEquals": {"aws:SourceVpc": each}})
        for each in (["a", "b"], "a", "b")
    ]
    together, apart = policy(ROOTED, vpcs[0]), policy(ROOTED, *vpcs[1:])
    was_together = Facts(versions=(Version(1, together, {}, NOW),))
    assert "grant-gives-back" not in rules(grant(USER, "Decrypt", old=apart, facts=was_together))
    assert "grant-gives-back" in rules(grant(USER, "Decrypt", old=policy(ROOTED, vpcs[1]), facts=was_together))


@pytest.mark.parametrize("constraints", [None, {}, {"EncryptionContextSubset": {}}])
def test_a_constraint_that_asks_for_nothing_is_none(constraints: Any) -> None:
    assert "grant-unconstrained" in rules(grant(USER, "Decrypt", constraints=constraints))
    assert "grant-unconstrained" not in rules(grant(USER, "Decrypt", constraints={"EncryptionContextEquals": {}}))


def test_a_costly_policy_makes_a_grant_unclear_and_keeps_nobody_waiting() -> None:
    """One grant on such a key kept every account's alerts waiting for a minute."""
    old = costly.policy(costly.STATEMENTS["long patterns"])
    found = grant(USER, "Decrypt", "Encrypt", old=old, facts=Facts(versions=(Version(1, old, {}, NOW),)))
    (alert,) = (each for each in found if each.rule.id == "grant-new-access")
    assert alert.finding.summary.endswith("which takes too many steps to say: Decrypt, Encrypt")


def trusts(*statements: dict[str, Any]) -> str:
    """A trust policy."""
    return policy(*({name: value for name, value in each.items() if name != "Resource"} for each in statements))


def assumes(who: Any, effect: str = "Allow", **condition: Any) -> dict[str, Any]:
    return a_statement(who, "sts:AssumeRole", effect=effect, **({"Condition": condition} if condition else {}))


PARTNER = f"arn:aws:iam::{UNKNOWN}:root"
SECRET: dict[str, Any] = {"StringEquals": {"sts:ExternalId": "s1"}}
SECOND: dict[str, Any] = {"StringEquals": {"sts:ExternalId": "s2"}}
OURS: dict[str, Any] = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
WITHOUT_SECRET: dict[str, Any] = {"StringNotEquals": {"sts:ExternalId": "s1"}}


def tagged(*keys: str) -> dict[str, Any]:
    return {"ForAllValues:StringEquals": {"aws:TagKeys": keys}}


def trust_replaced(before: str, after: str) -> list[Alert]:
    return judged(identities.TrustReplaced(ACCOUNT, ROLE.id, 2, after, {}), replace(ROLE, trust=before))


def outside(alerts: list[Alert]) -> str:
    """What the rule says of who may assume the role."""
    (alert,) = (each for each in alerts if each.rule.id == "role-trust-outside")
    return alert.finding.summary.removesuffix(f" may assume arn:aws:iam::{ACCOUNT}:role/app")


@pytest.mark.parametrize("denied", ["999999999999", "000000000001", OTHER, UNKNOWN])
def test_a_deny_for_one_account_does_not_hide_a_role_that_is_open_to_all(denied: str) -> None:
    open_to_all = trusts(assumes("*"), assumes(f"arn:aws:iam::{denied}:root", effect="Deny"))
    assert outside(judged(replace(ROLE, trust=open_to_all))) == "anyone"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([assumes(PARTNER, **SECRET)], [assumes(PARTNER)], PARTNER),
        ([assumes("*", **SECRET)], [assumes("*")], "anyone"),
        ([assumes("*", **SECRET, Bool={"aws:MultiFactorAuthPresent": "true"})], [assumes("*", **SECRET)], "anyone (asking sts:ExternalId)"),
        ([assumes(PARTNER), assumes("*", "Deny", **WITHOUT_SECRET)], [assumes(PARTNER)], PARTNER),
        ([assumes(PARTNER, StringEquals={"sts:ExternalId": "s1"})], [assumes(PARTNER, StringLike={"sts:ExternalId": "s*"})],
         f"{PARTNER} (asking sts:ExternalId)"),
        ([assumes("*", **OURS)], [assumes("*", **OURS), assumes(PARTNER)], PARTNER),
        ([assumes(PARTNER)], [assumes("*", **SECRET), assumes(PARTNER)], "anyone (asking sts:ExternalId)"),
        ([assumes("*"), assumes(PARTNER, "Deny")], [assumes("*")], PARTNER),
        ([assumes(PARTNER, **SECRET), assumes(PARTNER, **SECOND)], [assumes(PARTNER, StringEquals={"sts:ExternalId": ["s1", "s3"]})],
         f"{PARTNER} (asking sts:ExternalId)"),
        ([assumes(PARTNER, **tagged("a")), assumes(PARTNER, **tagged("b"))], [assumes(PARTNER, **tagged("a", "b"))],
         f"{PARTNER} (asking aws:TagKeys)"),
    ],
)  # fmt: skip
def test_a_role_that_asks_for_less_than_before_is_opened(before: Any, after: Any, told: str) -> None:
    """Gained: the condition that kept everybody else out was dropped, and nobody heard of it."""
    assert outside(trust_replaced(trusts(*before), trusts(*after))) == told


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([assumes(PARTNER)], [assumes(PARTNER, **SECRET)]),
        ([assumes(PARTNER)], [assumes(PARTNER), assumes("*", "Deny", **WITHOUT_SECRET)]),
        ([assumes(PARTNER), assumes("*", "Deny", **WITHOUT_SECRET)], [assumes(PARTNER, **SECRET)]),
        ([assumes("*")], [assumes(PARTNER)]),
        ([assumes(PARTNER)], [assumes(f"arn:aws:iam::{UNKNOWN}:role/one")]),
        ([assumes("*", **OURS)], [assumes("*", **OURS), assumes(PARTNER, **OURS)]),
        ([assumes(PARTNER, StringEquals={"sts:ExternalId": ["s1", "s2"]})], [assumes(PARTNER, **SECRET)]),
        ([assumes(PARTNER, **SECRET), assumes(PARTNER, **SECOND)], [assumes(PARTNER, StringEquals={"sts:ExternalId": ["s1", "s2"]})]),
    ],
)  # fmt: skip
def test_a_role_that_asks_for_as_much_as_before_is_not_opened(before: Any, after: Any) -> None:
    assert "role-trust-outside" not in rules(trust_replaced(trusts(*before), trusts(*after)))


GITHUB = "token.actions.githubusercontent.com"
CLUSTER = "oidc.eks.eu-west-1.amazonaws.com/id/0A1B"
FOR_US = {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}}


def with_token(issuer: str, condition: dict[str, Any]) -> list[Alert]:
    """The alerts on a new role for tokens of the issuer."""
    principal = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"}
    return judged(replace(ROLE, trust=policy(statement | {"Condition": condition})))


@pytest.mark.parametrize(
    ("issuer", "subject"),
    [
        *((GITHUB, each) for each in (
            "repo:*", "r*", "*:*", "repo:*/*:*", "repo:*/app:*", "repo:*:ref:refs/heads/main", "*:ref:refs/heads/main", "repo:ac*",
            "repo:acme*", "repo:ac?e/app:*", "?*?", "repo:${aws:RequestTag/owner}/app:*",
        )),
        (CLUSTER, "system:serviceaccount:*:*"),
        (CLUSTER, "system:serviceaccount:*:deployer"),
        ("app.terraform.io", "organization:*:project:*:workspace:*:run_phase:*"),
        ("auth.example.com", "auth0|*"),
    ],
)  # fmt: skip
def test_a_pattern_with_a_letter_in_it_names_no_subject(issuer: str, subject: str) -> None:
    """Gained: a role for every repository, of anybody, on GitHub; its trust policy had a condition on the subject."""
    assert "role-trust-any-subject" in rules(with_token(issuer, FOR_US | {"StringLike": {f"{issuer}:sub": subject}}))


@pytest.mark.parametrize(
    "condition",
    [
        {"StringLike": {"aws:RequestTag/x:sub": "repo:acme/app:*"}},
        {"StringEquals": {"aws:PrincipalTag/token.actions.githubusercontent.com:sub": "repo:acme/app"}},
        {"StringEquals": {"accounts.example.com:sub": "repo:acme/app"}},
        {"StringLike": {f"{GITHUB}:sub": ["repo:acme/app:*", "repo:*"]}},
        {"StringLikeIfExists": {f"{GITHUB}:sub": "repo:acme/app:*"}},
    ],
)
def test_what_is_no_condition_on_the_providers_own_subject_names_none(condition: dict[str, Any]) -> None:
    assert "role-trust-any-subject" in rules(with_token(GITHUB, condition))


@pytest.mark.parametrize(
    ("issuer", "operator", "subject"),
    [
        (GITHUB, "StringLike", "repo:acme/app:*"),
        (GITHUB, "StringLike", "repo:acme/*"),
        (GITHUB, "ForAnyValue:StringLike", "repo:acme/app:ref:refs/heads/*"),
        (GITHUB, "StringEquals", "repo:acme/app:ref:refs/heads/main"),
        (GITHUB, "StringEqualsIgnoreCase", "repo:Acme/App:environment:production"),
        (GITHUB, "StringLike", "repo:acme/app:ref:refs/heads/main"),
        (CLUSTER, "StringLike", "system:serviceaccount:payments:*"),
        ("app.terraform.io", "StringLike", "organization:acme:project:*:workspace:*:run_phase:*"),
        ("api.bitbucket.org/2.0/workspaces/acme", "StringLike", "{0bd7c2df-1111-4222-8333-944455556666}*:*"),
        ("auth.example.com", "StringEquals", "auth0|5f7c"),
    ],
)
def test_a_pattern_with_an_owner_names_subjects(issuer: str, operator: str, subject: str) -> None:
    assert "role-trust-any-subject" not in rules(with_token(issuer, FOR_US | {operator: {f"{issuer}:sub": subject}}))


def test_each_provider_of_a_statement_needs_its_own_condition() -> None:
    principal = {"Federated": [f"arn:aws:iam::{ACCOUNT}:oidc-provider/{each}" for each in (GITHUB, CLUSTER)]}
    condition = {"StringLike": {f"{GITHUB}:sub": "repo:acme/app:*"}}
    web = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}
    (alert,) = (each for each in judged(replace(ROLE, trust=policy(web))) if each.rule.id == "role-trust-any-subject")
    assert CLUSTER in alert.finding.summary
    assert GITHUB not in alert.finding.summary
    anybodys = policy(web | {"Principal": "*"})
    assert "role-trust-any-subject" not in rules(judged(replace(ROLE, trust=anybodys)))
    by_tag = policy(web | {"Principal": "*", "Condition": {"StringEquals": {"aws:RequestTag/x:sub": "repo:acme/app"}}})
    assert "role-trust-any-subject" in rules(judged(replace(ROLE, trust=by_tag)))
