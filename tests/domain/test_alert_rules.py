"""Every rule has an example that fires and a similar one that does not. A rule without both fails here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest

from domain.alerts.allow import Allow
from domain.alerts.change import Change, Facts, Version
from domain.alerts.engine.alert import Alert
from domain.alerts.engine.judge import Judge
from domain.alerts.health import Health
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCall, OnCountedCalls, OnFirstUse, OnHealth
from domain.alerts.rules import (
    alerts_behind,
    chain_broken,
    clock_stepped_back,
    material_missing,
    notary_behind,
    notary_stopped,
    recheck_mismatch,
    records_lost,
    rule_failed,
    void_records,
    witness_away,
)
from domain.alerts.rules.table import RULES
from domain.alerts.settings import AlertSettings, RuleSettings
from domain.alerts.severities import SEVERITIES
from domain.arn import root_arn
from domain.durations import DAY_MICROS, SECOND_MICROS
from domain.errors import AccessRefused, CredentialDisabled
from domain.identities.password_policy import PasswordPolicy
from domain.keys.key import Material
from domain.log import events
from domain.log import identity_events as identities
from domain.log.sign_in_events import PasswordPolicySet
from domain.policy import unseen
from domain.policy.default import default_key_policy, service_key_policy
from tests.alert_cases import (
    ADMIN,
    FOR_ITS_RESOURCES,
    INLINE,
    MANAGED,
    MANAGED_ARN,
    NARROW,
    NOW,
    OPEN,
    READER_ID,
    ROLE,
    ROOT,
    ROOTED,
    THIRD,
    TRUST,
    UNKNOWN,
    USER,
    a_statement,
    call,
    denied,
    grant,
    judged,
    made,
    of_key,
    parted,
    policy,
    put,
    tagged,
    tried,
    uses,
)
from tests.given import ACCOUNT, OTHER, a_key, arn, given, key_id


def web(condition: Any = None) -> str:
    """A trust policy for tokens of a provider."""
    principal = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"}
    return policy(statement | ({"Condition": condition} if condition else {}))


@pytest.mark.parametrize(
    "condition",
    [
        {"StringLike": {"example.com:sub": "*"}},
        {"StringLike": {"example.com:sub": "?*"}},
        {"StringEquals": {"example.com:sub": "${example.com:sub}"}},
        {"StringNotEquals": {"example.com:sub": "pod-1"}},
        {"StringEquals": {"example.com:aud": "keytrail"}},
        {"Null": {"example.com:sub": "false"}},
    ],
)
def test_a_condition_that_names_no_subject_admits_every_one(condition: Any) -> None:
    assert "role-trust-any-subject" in {each.rule.id for each in judged(replace(ROLE, trust=web(condition)))}


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}])
def test_a_trust_policy_for_everybody_admits_the_tokens_of_every_provider(principal: Any) -> None:
    """An attacker could open a role to anybody's token, and no alert was raised."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"}
    assert "role-trust-any-subject" in {each.rule.id for each in judged(replace(ROLE, trust=policy(statement)))}


MUTED = AlertSettings(allow=(Allow("rotation-disabled", "keys of tests", NOW * 2, tag="env=dev"),))


def profile(*, reset_required: bool) -> identities.LoginProfileCreated:
    return identities.LoginProfileCreated(ACCOUNT, READER_ID, "password-1", "ab" * 32, reset_required)


def asks(**members: Any) -> PasswordPolicySet:
    return PasswordPolicySet(ACCOUNT, asdict(PasswordPolicy(**members)))


def health(rule: AlertRule) -> list[Alert]:
    return Judge("the-log").of_health(Health(rule, "here", NOW, "what was seen"))


WITH_CONTEXT = a_statement(USER, "kms:Decrypt", Condition={"StringEquals": {"kms:EncryptionContext:app": "payroll"}})
BOUND = identities.BoundarySet(ACCOUNT, "user", READER_ID, MANAGED_ARN)
PHONE = f"arn:aws:iam::{ACCOUNT}:mfa/phone"
HAS_PHONE = (
    identities.MfaDeviceCreated(ACCOUNT, "phone", "/", "seed", "ab" * 32, {}),
    identities.MfaDeviceEnabled(ACCOUNT, PHONE, READER_ID, 0, 1),
)
ROTATED = events.RotationEnabled(key_id(), 365, "2030-01-01T00:00:00Z")
MINE = events.GrantCreated(key_id(), "g1", "", USER, USER, "", "", ["Decrypt"], {}, ACCOUNT, ADMIN, "")
OLD_OPEN = (Version(1, policy(ROOTED, a_statement(USER, "kms:Decrypt")), {}, NOW - DAY_MICROS),)


@dataclass(frozen=True)
class Example:
    """`fires` gives the rule's alert. What each of `quiet` does is similar, and gives none."""

    fires: Callable[[], list[Alert]]
    quiet: tuple[Callable[[], list[Alert]], ...]


EXAMPLES: dict[str, Example] = {
    "key-policy-public": Example(
        lambda: put(policy(ROOTED), policy(ROOTED, OPEN)),
        (
            lambda: put(policy(ROOTED, OPEN), policy(ROOTED, OPEN, a_statement(USER, "kms:Encrypt"))),
            lambda: put(
                policy(ROOTED),
                policy(ROOTED, a_statement("*", "kms:Decrypt", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-ours00000"}})),
            ),
            lambda: put(policy(ROOTED), policy(ROOTED, OPEN, a_statement("*", "kms:*", effect="Deny"))),
        ),
    ),
    "key-policy-unknown-account": Example(
        lambda: put(policy(ROOTED), policy(ROOTED, a_statement(root_arn(UNKNOWN), "kms:Decrypt"))),
        (lambda: put(policy(ROOTED), policy(ROOTED, a_statement(root_arn(OTHER), "kms:Decrypt"))),),
    ),
    "key-policy-known-account": Example(
        lambda: put(policy(ROOTED), policy(ROOTED, a_statement(root_arn(OTHER), "kms:Decrypt"))),
        (lambda: put(policy(ROOTED), policy(ROOTED, a_statement(root_arn(UNKNOWN), "kms:Decrypt"))),),
    ),
    "key-policy-service": Example(
        lambda: put(policy(ROOTED), policy(ROOTED, {**OPEN, "Principal": {"Service": "logs.amazonaws.com"}})),
        (
            lambda: put(
                policy(ROOTED),
                policy(
                    ROOTED,
                    {
                        **OPEN,
                        "Principal": {"Service": "logs.amazonaws.com"},
                        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
                    },
                ),
            ),
        ),
    ),
    "key-policy-decrypt": Example(
        lambda: put(policy(ROOTED), policy(ROOTED, a_statement(USER, "kms:Decrypt"))),
        (
            lambda: put(policy(ROOTED), policy(ROOTED, a_statement(USER, "kms:Encrypt"))),
            lambda: put(policy(ROOTED, a_statement(USER, "kms:*")), policy(ROOTED, a_statement(USER, "kms:Decrypt"))),
            lambda: made(policy(ROOTED, a_statement(USER, "kms:Decrypt"))),
        ),
    ),
    "key-policy-delegated": Example(
        lambda: put(policy(a_statement(ADMIN, "kms:PutKeyPolicy")), policy(ROOTED, a_statement(ADMIN, "kms:PutKeyPolicy"))),
        (lambda: put(policy(ROOTED), policy(ROOTED, a_statement(ADMIN, "kms:PutKeyPolicy"))),),
    ),
    "key-policy-administrator": Example(
        lambda: put(policy(ROOTED), policy(ROOTED, a_statement(ADMIN, "kms:PutKeyPolicy"))),
        (
            lambda: put(
                policy(ROOTED, a_statement(ADMIN, "kms:PutKeyPolicy")),
                policy(ROOTED, a_statement(ADMIN, "kms:PutKeyPolicy", "kms:DisableKey")),
            ),
            lambda: put(policy(ROOTED), policy(ROOTED, FOR_ITS_RESOURCES)),
        ),
    ),
    "key-policy-both": Example(
        lambda: put(policy(ROOTED, a_statement(USER, "kms:Decrypt")), policy(ROOTED, a_statement(USER, "kms:Decrypt", "kms:PutKeyPolicy"))),
        (
            lambda: put(
                policy(ROOTED, a_statement(USER, "kms:Decrypt")),
                policy(ROOTED, a_statement(USER, "kms:Decrypt"), a_statement(ADMIN, "kms:PutKeyPolicy")),
            ),
        ),
    ),
    "key-policy-root-removed": Example(
        lambda: put(policy(ROOTED), policy(a_statement(ADMIN, "kms:*"))),
        (lambda: put(policy(ROOTED), policy(a_statement(ROOT, "kms:PutKeyPolicy"), a_statement(ADMIN, "kms:*"))),),
    ),
    "key-policy-last-administrator": Example(
        lambda: put(policy(ROOTED), policy(a_statement(ADMIN, "kms:*"))),
        (lambda: put(policy(ROOTED), policy(a_statement([ADMIN, THIRD], "kms:*"))),),
    ),
    "key-policy-deny-dropped": Example(
        lambda: put(policy(ROOTED, a_statement(USER, "kms:Decrypt", effect="Deny")), policy(ROOTED)),
        (
            lambda: put(
                policy(ROOTED, a_statement(USER, "kms:Decrypt", effect="Deny")),
                policy(ROOTED, a_statement([USER, THIRD], "kms:Decrypt", effect="Deny")),
            ),
        ),
    ),
    "key-policy-loosened": Example(
        lambda: put(policy(ROOTED, WITH_CONTEXT), policy(ROOTED, a_statement(USER, "kms:Decrypt"))),
        (
            lambda: put(policy(ROOTED, a_statement(USER, "kms:Decrypt")), policy(ROOTED, WITH_CONTEXT)),
            lambda: put(policy(ROOTED), policy(ROOTED, a_statement(USER, "kms:Decrypt"))),
        ),
    ),
    "key-policy-not-principal": Example(
        lambda: put(
            policy(ROOTED),
            policy(
                ROOTED,
                {"Effect": "Allow", "NotPrincipal": {"AWS": [USER, ROOT]}, "Action": "kms:Decrypt", "Resource": "*"},
            ),
        ),
        (
            lambda: put(
                policy(ROOTED),
                policy(
                    ROOTED,
                    {"Effect": "Deny", "NotPrincipal": {"AWS": [USER, ROOT]}, "Action": "kms:Decrypt", "Resource": "*"},
                ),
            ),
        ),
    ),
    "key-policy-dead-statement": Example(
        lambda: put(policy(ROOTED), policy(ROOTED, {**a_statement(USER, "kms:Decrypt"), "Resource": arn(2)})),
        (lambda: put(policy(ROOTED), policy(ROOTED, {**a_statement(USER, "kms:Decrypt"), "Resource": arn(1)})),),
    ),
    "key-policy-lockout": Example(
        lambda: put(policy(ROOTED), policy(ROOTED), bypassed=True), (lambda: put(policy(ROOTED), policy(ROOTED)),)
    ),
    "key-policy-returned": Example(
        lambda: put(
            policy(ROOTED), policy(a_statement(USER, "kms:Decrypt"), ROOTED), version=2,
            facts=Facts(versions=(Version(0, policy(ROOTED, a_statement(USER, "kms:Decrypt")), {}, NOW),)),
        ),
        (
            lambda: put(
                policy(ROOTED), policy(a_statement(THIRD, "kms:Decrypt"), ROOTED),
                facts=Facts(versions=(Version(0, policy(ROOTED, a_statement(USER, "kms:Decrypt")), {}, NOW),)),
            ),
            lambda: put(
                policy(ROOTED, a_statement(USER, "kms:Decrypt")), policy(ROOTED),
                facts=Facts(versions=(Version(0, policy(ROOTED), {}, NOW),)),
            ),
        ),
    ),
    "key-policy-unclear": Example(
        lambda: put(parted(), policy(OPEN)), (lambda: put(policy(ROOTED), policy(OPEN)),)
    ),
    "grant-outside": Example(
        lambda: grant(f"arn:aws:iam::{OTHER}:user/x"), (lambda: grant(USER), )
    ),
    "grant-new-access": Example(
        lambda: grant(USER, "Decrypt"),
        (
            lambda: grant(USER, "Decrypt", old=policy(ROOTED, a_statement(USER, "kms:Decrypt"))),
            lambda: grant(ROOT, "Decrypt"),
        ),
    ),
    "grant-unconstrained": Example(
        lambda: grant(USER, "Decrypt"),
        (
            lambda: grant(USER, "Decrypt", constraints={"EncryptionContextSubset": {"app": "x"}}),
            lambda: grant(USER, "Encrypt"),
        ),
    ),
    "grant-may-grant": Example(lambda: grant(USER, "Encrypt", "CreateGrant"), (lambda: grant(USER, "Encrypt"),)),
    "grant-retiring-outside": Example(
        lambda: grant(USER, retiring=root_arn(OTHER)), (lambda: grant(USER, retiring=ADMIN),)
    ),
    "grant-gives-back": Example(
        lambda: grant(USER, "Decrypt", facts=Facts(versions=OLD_OPEN)),
        (
            lambda: grant(THIRD, "Decrypt", facts=Facts(versions=OLD_OPEN)),
            lambda: grant(USER, "Encrypt", facts=Facts(versions=OLD_OPEN)),
            lambda: grant(USER, "Decrypt", facts=Facts(versions=(Version(1, OLD_OPEN[0].text, {}, NOW - 2 * DAY_MICROS),))),
        ),
    ),
    "grants-many": Example(
        lambda: uses(*[call(each, operation="CreateGrant") for each in range(10)]),
        (
            lambda: uses(*[call(each, operation="CreateGrant") for each in range(9)]),
            lambda: uses(*[call(each, operation="CreateGrant", refused="x") for each in range(20)]),
        ),
    ),
    "grant-ended-by-stranger": Example(
        lambda: judged(events.GrantRevoked(key_id(), "g1"), a_key(), MINE, by=THIRD),
        (
            lambda: judged(events.GrantRevoked(key_id(), "g1"), a_key(), MINE, by=ADMIN),
            lambda: judged(events.GrantRetired(key_id(), "g1"), a_key(), MINE, by=USER),
            lambda: judged(events.GrantRevoked(key_id(), "g1"), a_key(), MINE, by=ROOT),
        ),
    ),
    "deletion-scheduled": Example(
        lambda: of_key(events.DeletionScheduled(key_id(), 30, "2030-01-01T00:00:00Z")),
        (lambda: of_key(events.KeyDisabled(key_id())),),
    ),
    "deletion-shortest": Example(
        lambda: of_key(events.DeletionScheduled(key_id(), 7, "2030-01-01T00:00:00Z")),
        (lambda: of_key(events.DeletionScheduled(key_id(), 8, "2030-01-01T00:00:00Z")),),
    ),
    "deletion-in-use": Example(
        lambda: of_key(events.DeletionScheduled(key_id(), 30, "2030-01-01T00:00:00Z"), used=NOW - 29 * DAY_MICROS),
        (
            lambda: of_key(events.DeletionScheduled(key_id(), 30, "2030-01-01T00:00:00Z"), used=NOW - 31 * DAY_MICROS),
            lambda: of_key(events.DeletionScheduled(key_id(), 30, "2030-01-01T00:00:00Z")),
        ),
    ),
    "deletion-cancelled": Example(
        lambda: of_key(events.DeletionCancelled(key_id(), "Disabled")), (lambda: of_key(events.KeyEnabled(key_id())),)
    ),
    "disabled-in-use": Example(
        lambda: of_key(events.KeyDisabled(key_id()), used=NOW - DAY_MICROS), (lambda: of_key(events.KeyDisabled(key_id())),)
    ),
    "rotation-disabled": Example(
        lambda: of_key(events.RotationDisabled(key_id()), ROTATED), (lambda: of_key(events.RotationDisabled(key_id())),)
    ),
    "material-deleted": Example(
        lambda: of_key(events.MaterialDeleted(key_id(), "m", "s", "PendingImport")),
        (lambda: of_key(imported("")),),
    ),
    "material-expiring": Example(
        lambda: expiring(NOW + 6 * DAY_MICROS),
        (lambda: expiring(NOW + 8 * DAY_MICROS), lambda: expiring(0), lambda: expiring(NOW - DAY_MICROS), lambda: expiring(NOW + DAY_MICROS, stored="")),
    ),
    "alias-moved": Example(
        lambda: judged(
            events.AliasMoved(ACCOUNT, "alias/a", key_id(2), key_id(1)), a_key(1), a_key(2),
            events.AliasCreated(ACCOUNT, "alias/a", key_id(1)),
        ),
        (lambda: judged(events.AliasCreated(ACCOUNT, "alias/b", key_id(1)), a_key(1)),),
    ),
    "allowed-by-tag": Example(
        lambda: judged(tagged(env="dev"), a_key(), settings=MUTED),
        (
            lambda: judged(tagged(env="dev"), a_key()),
            lambda: judged(tagged(env="prod"), a_key(), settings=MUTED),
            lambda: judged(tagged(env="dev", team="a"), a_key(tags={"env": "dev"}), settings=MUTED),
        ),
    ),
    "identity-wide": Example(
        lambda: judged(identities.InlinePolicyPut(ACCOUNT, "user", READER_ID, "p", INLINE)),
        (
            lambda: judged(identities.InlinePolicyPut(ACCOUNT, "user", READER_ID, "p", NARROW)),
            lambda: judged(
                identities.InlinePolicyPut(ACCOUNT, "user", READER_ID, "p", INLINE),
                identities.InlinePolicyPut(ACCOUNT, "user", READER_ID, "p", INLINE),
            ),
            lambda: judged(
                identities.PolicyVersionCreated(ACCOUNT, "ANPA0000000000000001", "v2", INLINE, True), MANAGED
            ),
        ),
    ),
    "role-trust-outside": Example(
        lambda: judged(identities.TrustReplaced(ACCOUNT, ROLE.id, 2, TRUST % root_arn(OTHER), {}), ROLE),
        (
            lambda: judged(identities.TrustReplaced(ACCOUNT, ROLE.id, 2, TRUST % USER, {}), ROLE),
            lambda: judged(
                identities.TrustReplaced(ACCOUNT, ROLE.id, 3, TRUST % root_arn(OTHER), {}), ROLE,
                identities.TrustReplaced(ACCOUNT, ROLE.id, 2, TRUST % root_arn(OTHER), {}),
            ),
        ),
    ),
    "role-trust-any-subject": Example(
        lambda: judged(replace(ROLE, trust=web())),
        (
            lambda: judged(replace(ROLE, trust=web({"StringEquals": {"example.com:sub": "pod-1"}}))),
            lambda: judged(replace(ROLE, trust=web({"StringLike": {"example.com:SUB": "repo:us/*"}}))),
            lambda: judged(identities.TrustReplaced(ACCOUNT, ROLE.id, 2, web(), {}), replace(ROLE, trust=web())),
            lambda: judged(replace(ROLE, trust=web().replace("Allow", "Deny"))),
        ),
    ),
    "oidc-provider-registered": Example(
        lambda: judged(identities.OidcProviderCreated(ACCOUNT, "example.com", ["keytrail"], [], {})),
        (
            lambda: judged(
                identities.OidcProviderDeleted(ACCOUNT, "example.com"),
                identities.OidcProviderCreated(ACCOUNT, "example.com", ["keytrail"], [], {}),
            ),
        ),
    ),
    "root-access-key": Example(
        lambda: judged(events.AccessKeyCreated(ACCOUNT, "AKIANEW")),
        (lambda: judged(identities.UserAccessKeyCreated(ACCOUNT, READER_ID, "AKIANEW")),),
    ),
    "boundary-removed": Example(
        lambda: judged(identities.BoundarySet(ACCOUNT, "user", READER_ID, ""), MANAGED, BOUND),
        (lambda: judged(BOUND, MANAGED),),
    ),
    "mfa-device-removed": Example(
        lambda: judged(identities.MfaDeviceDeactivated(ACCOUNT, PHONE, READER_ID), *HAS_PHONE),
        (lambda: judged(identities.MfaDeviceDeleted(ACCOUNT, PHONE), HAS_PHONE[0]),),
    ),
    "password-set-for-other": Example(
        lambda: judged(profile(reset_required=False)),
        (lambda: judged(profile(reset_required=False), by=USER),),
    ),
    "access-key-made-for-other": Example(
        lambda: judged(identities.UserAccessKeyCreated(ACCOUNT, READER_ID, "AKIANEW"), by=ADMIN),
        (lambda: judged(identities.UserAccessKeyCreated(ACCOUNT, READER_ID, "AKIANEW"), by=USER),),
    ),
    "password-policy-loosened": Example(
        lambda: judged(asks(minimum_length=13), asks(minimum_length=14)),
        (
            lambda: judged(asks(minimum_length=14), asks(minimum_length=13)),
            lambda: judged(asks(minimum_length=14, max_age=90), asks(minimum_length=14)),
            lambda: judged(asks(minimum_length=8, symbols=True, numbers=True, uppercase=True)),
        ),
    ),
    "sign-ins-at-user": Example(
        lambda: uses(*tried(5, addresses=5)),
        (
            lambda: uses(*tried(50, addresses=4)),
            lambda: uses(*tried(50, addresses=50, principal="HIDDEN_DUE_TO_SECURITY_REASONS")),
            lambda: uses(*[replace(each, refused="") for each in tried(50, addresses=50)]),
        ),
    ),
    "sign-ins-from-address": Example(
        lambda: uses(*tried(10, addresses=1)), (lambda: uses(*tried(18, addresses=2)),)
    ),
    "denied-burst": Example(lambda: uses(*denied(20)), (lambda: uses(*denied(19)), lambda: uses(*[call(each) for each in range(50)]))),
    "enumeration": Example(lambda: uses(*denied(10, keys=10)), (lambda: uses(*denied(40, keys=9)),)),
    "first-use": Example(
        lambda: uses(call(), age=3600, created=NOW - DAY_MICROS),
        (
            lambda: uses(call(), age=3600, created=NOW - 1_000_000),
            lambda: uses(call(refused=AccessRefused.kind), age=0),
            lambda: uses(call(operation="DescribeKey"), age=0),
        ),
    ),
    "root-used": Example(lambda: uses(call(principal=ROOT)), (lambda: uses(call(principal=USER)),)),
    "dead-credential": Example(
        lambda: uses(call(refused=CredentialDisabled.kind)), (lambda: uses(call(refused=AccessRefused.kind)),)
    ),
    "writer-changed": Example(
        lambda: judged(events.WriterStarted("w2", 0), events.WriterStarted("w1", 0)),
        (lambda: judged(events.WriterStarted("w1", 0)),),
    ),
    "commands-skipped": Example(
        lambda: judged(events.CommandsSkipped(3, 9)), (lambda: judged(events.ClockRead("w1")),)
    ),
    "void-records": Example(lambda: health(void_records.RULE), (lambda: health(alerts_behind.RULE),)),
    "chain-broken": Example(lambda: health(chain_broken.RULE), (lambda: health(void_records.RULE),)),
    "records-lost": Example(lambda: health(records_lost.RULE), (lambda: health(void_records.RULE),)),
    "rule-failed": Example(lambda: health(rule_failed.RULE), (lambda: health(void_records.RULE),)),
    "alerts-behind": Example(lambda: health(alerts_behind.RULE), (lambda: health(void_records.RULE),)),
    "recheck-mismatch": Example(lambda: health(recheck_mismatch.RULE), (lambda: health(void_records.RULE),)),
    "material-missing": Example(lambda: health(material_missing.RULE), (lambda: health(void_records.RULE),)),
    "notary-stopped": Example(lambda: health(notary_stopped.RULE), (lambda: health(void_records.RULE),)),
    "notary-behind": Example(lambda: health(notary_behind.RULE), (lambda: health(void_records.RULE),)),
    "witness-away": Example(lambda: health(witness_away.RULE), (lambda: health(void_records.RULE),)),
    "clock-stepped-back": Example(lambda: health(clock_stepped_back.RULE), (lambda: health(void_records.RULE),)),
}  # fmt: skip


def imported(valid_to: str) -> events.MaterialImported:
    return events.MaterialImported(key_id(), "m", "s", "f", "", valid_to, "", False, "Enabled")


def expiring(expires: int, stored: str = "s", settings: AlertSettings | None = None) -> list[Alert]:
    """The alerts that are found now for a key whose material expires at `expires`."""
    judge, world = Judge("the-log", settings or AlertSettings()), given(a_key()).world
    key = replace(world.keys[key_id()], materials=(Material("m", stored, "f", expires),))
    return [judge.reached(each, NOW, {}) for each in judge.timed(key, NOW)]


def test_every_rule_has_its_example() -> None:
    assert EXAMPLES.keys() == RULES.keys()
    assert all(each.quiet for each in EXAMPLES.values())


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fires_once_on_its_example(rule: str) -> None:
    (alert,) = (each for each in EXAMPLES[rule].fires() if each.rule.id == rule)
    document = alert.document()
    assert json.loads(json.dumps(document)) == document
    assert alert.id == next(each for each in EXAMPLES[rule].fires() if each.rule.id == rule).id
    assert alert.severity in SEVERITIES
    assert alert.finding.summary


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_quiet_on_a_similar_example(rule: str) -> None:
    for quiet in EXAMPLES[rule].quiet:
        assert rule not in {each.rule.id for each in quiet()}


@dataclass(frozen=True)
class Threshold:
    """`judged` fires under settings with the number `fires`, and does not with the number `quiet`."""

    judged: Callable[[AlertSettings], list[Alert]]
    fires: int
    quiet: int


def many_grants(settings: AlertSettings, *, apart: int = 0) -> list[Alert]:
    """Ten grants, `apart` seconds from each other."""
    calls = (call(operation="CreateGrant", at=WINDOWS_BEGIN + each * apart * SECOND_MICROS) for each in range(10))
    return uses(*calls, settings=settings)


def many_refused(settings: AlertSettings, *, apart: int = 0) -> list[Alert]:
    """Twenty refused calls on twenty keys, `apart` seconds from each other."""
    calls = (
        call(refused=AccessRefused.kind, keys=(arn(each + 1),), at=WINDOWS_BEGIN + each * apart * SECOND_MICROS)
        for each in range(20)
    )
    return uses(*calls, settings=settings)


def many_sign_ins(settings: AlertSettings, *, apart: int = 0, addresses: int = 20) -> list[Alert]:
    """Twenty refused sign-ins of one user, `apart` seconds from each other."""
    calls = tried(20, addresses)
    spread = [replace(each, at=WINDOWS_BEGIN + n * apart * SECOND_MICROS) for n, each in enumerate(calls)]
    return uses(*spread, settings=settings)


WINDOWS_BEGIN = NOW // DAY_MICROS * DAY_MICROS
DELETED = events.DeletionScheduled(key_id(), 30, "2030-01-01T00:00:00Z")
THRESHOLDS: dict[tuple[str, str], Threshold] = {
    ("deletion-in-use", "days"): Threshold(
        lambda settings: of_key(DELETED, used=NOW - 3 * DAY_MICROS, settings=settings), fires=3, quiet=2
    ),
    ("disabled-in-use", "days"): Threshold(
        lambda settings: of_key(events.KeyDisabled(key_id()), used=NOW - 3 * DAY_MICROS, settings=settings), fires=3, quiet=2
    ),
    ("grant-gives-back", "seconds"): Threshold(
        lambda settings: grant(USER, "Decrypt", facts=Facts(versions=OLD_OPEN), settings=settings),
        fires=86_400,
        quiet=86_399,
    ),
    ("grants-many", "threshold"): Threshold(many_grants, fires=10, quiet=11),
    ("grants-many", "window"): Threshold(lambda settings: many_grants(settings, apart=90), fires=3600, quiet=600),
    ("material-expiring", "days"): Threshold(
        lambda settings: expiring(NOW + 20 * DAY_MICROS, settings=settings), fires=20, quiet=19
    ),
    ("denied-burst", "threshold"): Threshold(many_refused, fires=20, quiet=21),
    ("denied-burst", "window"): Threshold(lambda settings: many_refused(settings, apart=90), fires=3600, quiet=60),
    ("enumeration", "threshold"): Threshold(many_refused, fires=20, quiet=21),
    ("enumeration", "window"): Threshold(lambda settings: many_refused(settings, apart=90), fires=3600, quiet=600),
    ("sign-ins-at-user", "threshold"): Threshold(many_sign_ins, fires=20, quiet=21),
    ("sign-ins-at-user", "window"): Threshold(
        lambda settings: many_sign_ins(settings, apart=150), fires=3600, quiet=600
    ),
    ("sign-ins-from-address", "threshold"): Threshold(
        lambda settings: many_sign_ins(settings, addresses=1), fires=20, quiet=21
    ),
    ("sign-ins-from-address", "window"): Threshold(
        lambda settings: many_sign_ins(settings, apart=90, addresses=1), fires=3600, quiet=600
    ),
    ("first-use", "age"): Threshold(
        lambda settings: uses(call(at=NOW), created=NOW - DAY_MICROS, settings=settings), fires=86_400, quiet=86_401
    ),
}  # fmt: skip


def test_every_number_of_a_rule_on_records_has_its_example() -> None:
    """The numbers of rules on Keytrail's own health are tested in tests/contracts and tests/faults, with what notices."""
    there = {
        (rule.id, number.name)
        for rule in RULES.values()
        if not isinstance(rule.kind, OnHealth)
        for number in rule.numbers
    }
    assert THRESHOLDS.keys() == there


@pytest.mark.parametrize(("rule", "number"), THRESHOLDS)
def test_a_rule_goes_by_the_numbers_of_the_settings(rule: str, number: str) -> None:
    example = THRESHOLDS[rule, number]

    def fires(value: int) -> bool:
        settings = AlertSettings({rule: RuleSettings(numbers={number: value})})
        return rule in {each.rule.id for each in example.judged(settings)}

    assert (fires(example.fires), fires(example.quiet)) == (True, False)


@pytest.mark.parametrize("rule", RULES)
def test_an_alert_says_what_it_means_and_what_to_do(rule: str) -> None:
    row = RULES[rule]
    assert row.title
    assert row.means.endswith(".")
    assert row.do.endswith(".")
    assert row.severity in SEVERITIES


class TimelessCall:
    """A call that refuses to give its time, id and tags. A judge asks the rules only once about calls that differ in nothing
    else, so the rules must not read these."""

    def __init__(self, of: ObservedCall) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        assert name not in ("at", "id", "tags"), f"a rule reads {name}"
        return getattr(self._of, name)


@pytest.mark.parametrize("refused", ["", AccessRefused.kind, CredentialDisabled.kind])
@pytest.mark.parametrize("principal", ["user/bob", "root"])
def test_rules_on_calls_read_neither_time_nor_call_nor_tags(refused: str, principal: str) -> None:
    timeless: Any = TimelessCall(call(principal=f"arn:aws:iam::{ACCOUNT}:{principal}", refused=refused))
    found = 0
    for rule in RULES.values():
        match rule.kind:
            case OnCall() as kind:
                found += len(list(kind.judge(timeless)))
            case OnCountedCalls() as kind:
                found += len(list(kind.occurrences(timeless)))
            case OnFirstUse() as kind:
                found += len(list(kind.pairs(timeless)))
    assert found, "the rules found nothing, so they may have read nothing"


def test_calls_of_one_case_count_in_the_windows_of_their_times() -> None:
    judge = Judge("log")
    refused = call(refused=AccessRefused.kind)
    early, late = judge.candidates(refused), judge.candidates(replace(refused, at=refused.at + DAY_MICROS))
    assert [each.start for each in early] < [each.start for each in late]
    assert [each.subject for each in early] == [each.subject for each in late]


def test_the_default_policy_raises_nothing() -> None:
    assert made(default_key_policy(ACCOUNT)) == []


def test_a_key_that_a_service_manages_raises_nothing() -> None:
    text = service_key_policy("s3", ACCOUNT, "us-east-1")
    assert judged(a_key(policy=text, manager="s3.amazonaws.com", alias="alias/aws/s3")) == []


def test_assumptions_of_a_trail_raise_nothing() -> None:
    """The key existed before the trail began. The first policy that the trail shows is judged like a new key's."""
    met = a_key(policy=unseen.policy_before(arn()), tags={unseen.NAME: unseen.POLICY})
    assert judged(met, of_trail=True) == []
    wide = identities.InlinePolicyPut(ACCOUNT, "user", READER_ID, unseen.NAME, unseen.policies_of(USER))
    assert judged(wide, of_trail=True) == []
    put_first = events.PolicyReplaced(key_id(), 2, policy(ROOTED, a_statement(USER, "kms:Decrypt")), False, False, {})
    assert judged(put_first, met, of_trail=True) == []
    public = events.PolicyReplaced(key_id(), 2, policy(ROOTED, OPEN), False, False, {})
    assert [each.rule.id for each in judged(public, met, of_trail=True)] == ["key-policy-public"]


def test_a_user_who_takes_the_names_of_a_trails_assumptions_hides_nothing() -> None:
    """Any user can give a tag or a policy the name that a trail uses for what it assumes. Rules once ignored such a change."""
    mark = {unseen.NAME: unseen.POLICY}
    assert "key-policy-public" in {each.rule.id for each in judged(a_key(policy=policy(ROOTED, OPEN), tags=mark))}
    for_user = events.PolicyReplaced(key_id(), 2, policy(ROOTED, a_statement(USER, "kms:*")), False, False, {})
    as_ever = [each.rule.id for each in judged(for_user, a_key(policy=policy(ROOTED)))]
    assert [each.rule.id for each in judged(for_user, a_key(policy=policy(ROOTED), tags=mark))] == as_ever
    assert {"key-policy-decrypt", "key-policy-administrator"} <= set(as_ever)
    named = identities.InlinePolicyPut(ACCOUNT, "user", READER_ID, unseen.NAME, INLINE)
    decoy = {"Effect": "Deny", "Action": unseen.KEY, "Resource": "*"}
    text = json.dumps({**json.loads(INLINE), "Id": unseen.NAME, "Statement": [json.loads(INLINE)["Statement"], decoy]})
    assert unseen.is_document(text)
    told = identities.InlinePolicyPut(ACCOUNT, "user", READER_ID, "p", text)
    for each in (named, told):
        assert "identity-wide" in {alert.rule.id for alert in judged(each)}


@pytest.mark.parametrize(
    ("days", "words"), [(0, "less than a day ago"), (1, "a day ago"), (2, "2 days ago"), (30, "30 days ago")]
)
def test_an_alert_says_when_the_key_was_used(days: int, words: str) -> None:
    used = NOW - days * DAY_MICROS - (DAY_MICROS // 2 if days < 30 else 0)
    (alert,) = [each for each in of_key(events.KeyDisabled(key_id()), used=used) if each.rule.id == "disabled-in-use"]
    assert alert.finding.summary.endswith(f"disabled the key, which was used {words}")


def test_a_rule_that_fails_is_reported_and_stops_no_other() -> None:
    """The event sets the boundary of a user whom no record created, so the rule that looks this user up fails."""
    judge = Judge("the-log")
    change = Change(identities.BoundarySet(ACCOUNT, "user", "AIDANOBODY", ""), given().world, NOW, 7)
    (alert,) = judge.of_change(change, {})
    assert (alert.rule.id, alert.finding.subject) == ("rule-failed", "boundary-removed@7")


def test_an_alert_shows_an_example_request_for_what_a_policy_lets_in() -> None:
    (alert,) = (each for each in put(policy(ROOTED), policy(ROOTED, OPEN)) if each.rule.id == "key-policy-public")
    regions = alert.finding.evidence["regions"]
    assert regions
    for region in regions:
        assert region["witness"]["action"] == "kms:Decrypt"
        assert (region["witness"]["refused"]["effect"], region["witness"]["allowed"]["effect"]) == ("deny", "allow")


def test_a_principal_with_earlier_access_is_excepted_from_the_others() -> None:
    theirs = a_statement(root_arn(UNKNOWN), "kms:Decrypt")
    found = put(policy(ROOTED, theirs), policy(ROOTED, theirs, OPEN))
    (alert,) = (each for each in found if each.rule.id == "key-policy-public")
    left = [
        other
        for region in alert.finding.evidence["regions"]
        for each in region["principals"]
        for other in each.get("but", ())
        if each.get("account") == "any other"
    ]
    assert {each["account"] for each in left} == {UNKNOWN}


def test_a_restore_is_not_called_a_span_of_commands() -> None:
    """A backup holds no commands, so after a restore they are numbered from 0 again. The alert once said "commands 41 to -1"."""
    (lost,), (restored,) = judged(events.CommandsSkipped(3, 9)), judged(events.CommandsSkipped(41, 0))
    assert lost.finding.summary == "commands 3 to 8 were passed over by an operator's leave"
    assert restored.finding.summary == "the log was restored without its commands, which are numbered from 0 on again"


@pytest.mark.parametrize("date", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_date_that_utc_does_not_have_hides_no_public_policy(date: str) -> None:
    """A policy from an earlier version may contain such a date. Every rule on key policies once failed on it."""
    never = a_statement("*", "kms:*", effect="Deny", Condition={"DateGreaterThan": {"aws:CurrentTime": date}})
    for alerts in (made(policy(ROOTED, OPEN, never)), put(policy(ROOTED), policy(ROOTED, OPEN, never))):
        assert "key-policy-public" in {each.rule.id for each in alerts}
