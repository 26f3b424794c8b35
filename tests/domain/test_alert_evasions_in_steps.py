"""Ways around a rule in several steps, none of which the rule saw; and by a policy that cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.alerts.change import Change, Facts
from domain.alerts.engine.judge import Judge
from domain.log import events
from domain.log import identity_events as identities
from domain.policy import unseen
from domain.policy.parse import KEY
from domain.policy_analysis.budget import Budget
from tests.alert_cases import (
    ADMIN,
    NOW,
    OPEN,
    READER_ID,
    ROLE,
    ROOTED,
    a_statement,
    judged,
    parted,
    policy,
    put,
    tried,
    uses,
)
from tests.domain.test_alert_evasions import PUBLISHED, rules
from tests.domain.test_wide_policies import given_by, keys
from tests.given import ACCOUNT, OTHER, a_key, given, key_id


@pytest.mark.parametrize(
    ("former", "now", "told"),
    [
        (key_id(1), 2, f"alias/a for key {key_id(2)}; until it was deleted, it was for key {key_id(1)}"),
        (key_id(1), 1, ""),
        (key_id(9), 2, ""),
        ("", 2, ""),
    ],
    ids=["another key", "the same key", "a key that is gone", "a new name"],
)
def test_an_alias_that_is_deleted_and_made_again_for_another_key_was_moved(former: str, now: int, told: str) -> None:
    """Gained: everybody encrypts under the attacker's key. UpdateAlias would have raised an alert."""
    event = events.AliasCreated(ACCOUNT, "alias/a", key_id(now))
    found = judged(event, a_key(1), a_key(2), facts=Facts(former_key=former))
    assert [each.finding.summary.partition(" made ")[2] for each in found] == ([told] if told else [])
    assert {each.rule.id for each in found} == ({"alias-moved"} if told else set())


def test_an_alias_of_a_key_that_waits_for_deletion_is_told_as_low() -> None:
    """Terraform replaces a key so; but whoever may make an alias may take the name meanwhile. A key that is no longer to be deleted
    is a key like any other."""
    event = events.AliasCreated(ACCOUNT, "alias/a", key_id(2))
    scheduled = events.DeletionScheduled(key_id(1), 30, "2030-01-01T00:00:00Z")
    cancelled = events.DeletionCancelled(key_id(1), "Disabled")

    def told(*before: object) -> list[tuple[str, str, str]]:
        found = judged(event, a_key(1), a_key(2), *before, facts=Facts(former_key=key_id(1)))
        return [(each.rule.id, each.severity, each.finding.summary.rpartition(key_id(1))[2]) for each in found]

    assert told(scheduled) == [("alias-moved", "low", ", which is to be deleted")]
    assert told() == told(scheduled, cancelled) == [("alias-moved", "medium", "")]
    moved = events.AliasMoved(ACCOUNT, "alias/a", key_id(2), key_id(1))
    found = judged(moved, a_key(1), a_key(2), events.AliasCreated(ACCOUNT, "alias/a", key_id(1)), scheduled)
    assert [(each.rule.id, each.severity) for each in found] == [("alias-moved", "medium")]


ADMINISTERED = a_statement(ADMIN, "kms:*")
TOO_LONG = a_statement("*", "kms:Decrypt", Condition={"StringEquals": {"kms:EncryptionContext:app": "x" * KEY.most}})
"""No call puts such a policy, so the rules cannot read it."""
GRANTS_ONLY = a_statement(f"arn:aws:iam::{ACCOUNT}:root", "kms:CreateGrant")


def fired(old: str, new: str) -> set[str]:
    return {each.rule.id for each in put(old, new)}


def fired_by_text(old: str, new: str) -> set[str]:
    """The rules that fire when there are no steps left."""
    event = events.PolicyReplaced(key_id(), 2, new, False, False, {})
    change = Change(event, given(a_key(policy=old)).world, NOW, 100, account=ACCOUNT)
    return {each.rule.id for each in Judge("the-log").within(change, {}, Budget(0)).alerts}


def test_a_policy_that_makes_too_many_cases_hides_nothing_that_its_text_shows() -> None:
    """Gained: a key that is open to everyone, of which it was said only that it is not known what its policy lets in."""
    assert {"key-policy-unclear", "key-policy-public"} <= fired(parted(), policy(ADMINISTERED, OPEN))
    assert {"key-policy-unclear", "key-policy-delegated"} <= fired(parted(), policy(ROOTED))
    assert not {"key-policy-public", "key-policy-delegated"} & fired(parted(), policy(ADMINISTERED))


def test_a_rule_that_fails_tells_what_the_text_shows() -> None:
    old = policy(ADMINISTERED)
    found = fired(old, policy(ROOTED, OPEN, TOO_LONG))
    assert {"rule-failed", "key-policy-public", "key-policy-delegated"} <= found
    assert not {"key-policy-public", "key-policy-delegated"} & fired(old, policy(ADMINISTERED, TOO_LONG))


def test_what_the_text_shows_is_not_hidden_by_what_an_earlier_text_showed() -> None:
    """Gained: a policy that was public for GetPublicKey already became public for all, unseen as long as there were no steps."""
    assert "key-policy-public" in fired_by_text(policy(ROOTED, PUBLISHED), policy(ROOTED, PUBLISHED, OPEN))
    assert "key-policy-public" not in fired_by_text(policy(ROOTED, OPEN), policy(ROOTED, {**OPEN, "Sid": "again"}))
    everything_else = {"Effect": "Allow", "Principal": "*", "NotAction": "kms:GetPublicKey", "Resource": "*"}
    assert "key-policy-public" in fired_by_text(policy(ROOTED, PUBLISHED), policy(ROOTED, everything_else))
    secrets = a_statement(f"arn:aws:iam::{ACCOUNT}:root", "kms:DeriveSharedSecret")
    assert "key-policy-delegated" in fired_by_text(policy(secrets), policy(secrets, ROOTED))
    assert "key-policy-delegated" not in fired_by_text(policy(ROOTED), policy(ROOTED, secrets, GRANTS_ONLY))


def told_of(*attempts: tuple[str, int]) -> list[tuple[str, str, tuple[str, ...]]]:
    """(account, what it is told, about whom), for so many refused sign-ins from one address at each of these accounts."""
    calls = [each for account, count in attempts for each in tried(count, 1, account=account)]
    found = [each.finding for each in uses(*calls) if each.rule.id == "sign-ins-from-address"]
    return [(each.account, each.summary.partition(" were")[0], each.about) for each in found]


def test_sign_ins_at_one_account_neither_hide_nor_make_those_at_another() -> None:
    """Gained: ten refused attempts at an account of one's own, and the ones at the other account raise nothing."""
    said = "10 sign-ins or more from 10.0.0.0"
    assert told_of((OTHER, 10), (ACCOUNT, 200)) == [(OTHER, said, ("10.0.0.0",)), (ACCOUNT, said, ("10.0.0.0",))]
    assert told_of((OTHER, 9), (ACCOUNT, 1)) == []


ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
LIMITS = f"arn:aws:iam::{ACCOUNT}:policy/limits"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NO_IAM = policy(EVERYTHING, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"})
ALL_KMS = given_by("kms:*")
UNDER_LIMITS = given_by("iam:PutUserPolicy", Condition={"StringEquals": {"iam:PermissionsBoundary": LIMITS}})
"""Whoever is bounded so may give rights only to users that have the same boundary, as AWS's guide delegates it."""
ONE_KEY, ANOTHER_KEY = (
    given_by(resource=keys(each))
    for each in ("12345678-1234-4234-8234-123456789012", "22345678-1234-4234-8234-123456789012")
)


def managed(name: str, text: str) -> identities.ManagedPolicyCreated:
    return identities.ManagedPolicyCreated(ACCOUNT, f"ANPA{name:0<16}", name, "/", "", text, {})


def bound(policy: str) -> identities.BoundarySet:
    return identities.BoundarySet(ACCOUNT, "user", READER_ID, policy)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (ONE_KEY, "", "removed"),
        (ONE_KEY, ADMINISTRATOR, "on every key and what gives more rights"),
        (NO_IAM, ADMINISTRATOR, "iam:AttachUserPolicy"),
        (ALL_KMS, given_by("*:*"), "what gives more rights"),
        (ALL_KMS, given_by(["kms:*", "iam:*", "sts:*"]), "what gives more rights"),
        (ALL_KMS, policy({"Effect": "Allow", "NotAction": "foo:Bar", "Resource": "*"}), "what gives more rights"),
        (
            ALL_KMS,
            policy(EVERYTHING, {"Effect": "Deny", "Action": "foo:Bar", "Resource": "*"}),
            "what gives more rights",
        ),
        (ALL_KMS, given_by("*", "arn:*"), "what gives more rights"),
        (ALL_KMS, given_by("*", Condition={"StringLike": {"aws:PrincipalArn": "*"}}), "what gives more rights"),
        (
            ALL_KMS,
            given_by(["kms:*", "iam:Delete*Boundary"]),
            "(iam:DeleteRolePermissionsBoundary, iam:DeleteUserPermissionsBoundary)",
        ),
        (ALL_KMS, given_by(["kms:*", "sts:AssumeRole"]), "(sts:AssumeRole)"),
        (
            ALL_KMS,
            given_by("sts:AssumeRole", Condition={"StringEquals": {"aws:RequestTag/a": "b"}}),
            "(sts:AssumeRole)",
        ),
        (
            ALL_KMS,
            given_by("iam:PutUserPolicy", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"),
            "(iam:PutUserPolicy)",
        ),
        (ALL_KMS, given_by("iam:PutUserPolicy", f"arn:aws:iam::{ACCOUNT}:user/m*"), "(iam:PutUserPolicy)"),
        (
            NO_IAM,
            policy(EVERYTHING, {"Effect": "Deny", "Action": "iam:*User*", "Resource": "*"}),
            "iam:CreatePolicyVersion",
        ),
        (ALL_KMS, given_by(["kms:*", "iam:Get*", "iam:List*", "sts:GetCallerIdentity", "s3:*"]), ""),
        (ALL_KMS, given_by("iam:PutUserPolicy", f"arn:aws:iam::{ACCOUNT}:user/robot"), ""),
        (ALL_KMS, given_by("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/reports-*"), ""),
        (given_by("*:*"), policy(EVERYTHING), ""),
        (policy(EVERYTHING), NO_IAM, ""),
        (UNDER_LIMITS, UNDER_LIMITS.replace("PutUserPolicy", "*UserPolicy"), "(iam:AttachUserPolicy)"),
        (UNDER_LIMITS, given_by("iam:PutUserPolicy"), "(iam:PutUserPolicy)"),
        (ONE_KEY, given_by("kms:*"), "on every key"),
        (ONE_KEY, ANOTHER_KEY, ""),
        (given_by("kms:*"), given_by(), ""),
        (given_by("kms:*"), given_by("kms:*", Sid="again"), ""),
    ],
)
def test_a_boundary_that_limits_less_is_as_good_as_removed(before: str, after: str, told: str) -> None:
    """Gained: everything that the boundary kept away, by setting another boundary in its place, or another version of it."""
    is_text = after.startswith("{")
    set_before = (managed("limits", before), bound(LIMITS))
    set_now = bound(f"arn:aws:iam::{ACCOUNT}:policy/other" if is_text else after)
    others = (managed("other", after),) if is_text else ()
    found = [[each for each in judged(set_now, *set_before, *others) if each.rule.id == "boundary-removed"]]
    if is_text:
        version = identities.PolicyVersionCreated(ACCOUNT, managed("limits", before).id, "v2", after, True)
        found.append([each for each in judged(version, *set_before) if each.rule.id == "boundary-removed"])
        kept = identities.PolicyVersionCreated(ACCOUNT, managed("limits", before).id, "v2", after, False)
        chosen = identities.DefaultVersionSet(ACCOUNT, managed("limits", before).id, "v2")
        found.append([each for each in judged(chosen, *set_before, kept) if each.rule.id == "boundary-removed"])
        assert "boundary-removed" not in rules(judged(kept, *set_before))
        assert "boundary-removed" not in rules(judged(version, managed("limits", before)))
    for each in found:
        assert [told in alert.finding.summary for alert in each] == ([True] if told else [])


def test_a_boundary_that_a_trail_never_showed_is_not_known_to_allow_more() -> None:
    unknown = (managed("limits", ALL_KMS), managed("unseen", unseen.document("it", of_key=False)), bound(LIMITS))
    replaced = bound(f"arn:aws:iam::{ACCOUNT}:policy/unseen")
    assert "boundary-removed" not in rules(judged(replaced, *unknown, of_trail=True))
    assert "boundary-removed" in rules(judged(replaced, *unknown))


def out_of_it(action: str, resource: str, **condition: Any) -> str:
    return given_by(action, f"arn:aws:iam::{ACCOUNT}:{resource}", **({"Condition": condition} if condition else {}))


OF_TEAM = {"StringEquals": {"aws:ResourceTag/Team": "x"}}
IN_TEAM = identities.IdentityTagged(ACCOUNT, "user", READER_ID, {"Team": "x"})
APP = replace(ROLE, path="/team/")


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (out_of_it("iam:*", "user/reader"), "iam:DeleteUserPermissionsBoundary, iam:PutUserPermissionsBoundary"),
        (out_of_it("iam:Delete*", "user/reader"), "iam:DeleteUserPermissionsBoundary"),
        (out_of_it("iam:Delete*", "user/*", **OF_TEAM), "iam:DeleteUserPermissionsBoundary"),
        (out_of_it("iam:Delete*", "role/team/*"), "iam:DeleteRolePermissionsBoundary"),
        (out_of_it("iam:CreatePolicy*", "policy/limits"), "iam:CreatePolicyVersion"),
        (out_of_it("iam:*", "user/third"), ""),
        (out_of_it("iam:*", "user/*", StringEquals={"aws:ResourceTag/Team": "y"}), ""),
        (out_of_it("iam:*", "role/others/*"), ""),
        (out_of_it("iam:*AccessKey", "user/reader"), ""),
        (out_of_it("iam:PutUserPolicy", "user/reader"), ""),
        (out_of_it("iam:CreatePolicyVersion", "policy/others"), ""),
    ],
)
def test_a_boundary_that_lets_its_own_identity_out_is_as_good_as_removed(after: str, told: str) -> None:
    """Gained: no boundary, by one call of the identity itself. The rule asked about identities that no policy names."""
    before = (
        managed("limits", ALL_KMS),
        bound(LIMITS),
        APP,
        identities.BoundarySet(ACCOUNT, "role", APP.id, LIMITS),
        IN_TEAM,
    )
    version = identities.PolicyVersionCreated(ACCOUNT, managed("limits", ALL_KMS).id, "v2", after, True)
    (*found,) = (each for each in judged(version, *before) if each.rule.id == "boundary-removed")
    assert [each.finding.summary.partition(": it allows ")[2] for each in found] == (
        [f"what takes the boundary away ({told})"] if told else []
    )
    again = replace(version, version="v3")
    assert "boundary-removed" not in rules(judged(again, *before, version))


def test_a_boundary_in_the_place_of_another_is_asked_about_by_its_own_name() -> None:
    """Each lets its identity rewrite one policy: the former boundary another one, the new boundary itself."""
    others = [managed(name, out_of_it("iam:CreatePolicyVersion", "policy/second")) for name in ("first", "second")]
    now = bound(f"arn:aws:iam::{ACCOUNT}:policy/second")
    found = judged(now, *others, bound(f"arn:aws:iam::{ACCOUNT}:policy/first"))
    assert [each.finding.summary.rpartition(": ")[2] for each in found] == [
        "it allows what takes the boundary away (iam:CreatePolicyVersion)"
    ]


def test_a_boundary_of_thousands_keeps_nobody_waiting() -> None:
    many = [identities.UserCreated(ACCOUNT, f"AIDB{each:016}", f"u{each}", "/", {}, "") for each in range(3_000)]
    bounds = [identities.BoundarySet(ACCOUNT, "user", each.id, LIMITS) for each in many]
    held = (managed("limits", ALL_KMS), *many, *bounds)

    def told(*allowed: dict[str, Any]) -> list[str]:
        version = identities.PolicyVersionCreated(ACCOUNT, managed("limits", ALL_KMS).id, "v2", policy(*allowed), True)
        return [each.finding.summary.rpartition(": ")[2] for each in judged(version, *held)]

    others = [
        {"Effect": "Allow", "Action": "iam:*", "Resource": f"arn:aws:iam::{ACCOUNT}:user/x{each}"} for each in range(60)
    ]
    assert told({**others[0], "Action": "iam:Get*"}) == []
    assert told(others[0]) == []
    assert told(*others) == ["it may allow more, which takes too many steps to say"]
