"""Ways around a rule on changes: each was silent once."""

from __future__ import annotations

from domain.alerts.engine.alert import Alert
from domain.alerts.settings import AlertSettings, Allow
from tests.domain.test_alert_rules import NOW, ROOTED, UNKNOWN, USER, allow, judged, policy, put
from tests.given import OTHER, a_key

PUBLISHED = allow("*", "kms:GetPublicKey")
"""Public, and harmless by itself."""


def rules(alerts: list[Alert]) -> set[str]:
    return {each.rule.id for each in alerts if each.suppressed is None}


def test_a_harmless_public_statement_hides_nothing_else_of_its_policy() -> None:
    """Gained: another account, a new reader and a service, with one alert that says that the public key is public."""
    logs = {**allow("*", "kms:Decrypt"), "Principal": {"Service": "logs.amazonaws.com"}}
    theirs, others = (allow(f"arn:aws:iam::{each}:root", "kms:*") for each in (UNKNOWN, OTHER))
    found = put(policy(ROOTED), policy(ROOTED, PUBLISHED, theirs, others, allow(USER, "kms:*"), logs))
    assert rules(found) == {
        "key-policy-public", "key-policy-unknown-account", "key-policy-known-account", "key-policy-service",
        "key-policy-decrypt", "key-policy-administrator", "key-policy-both",
    }  # fmt: skip
    delegated = put(policy(allow(USER, "kms:PutKeyPolicy")), policy(ROOTED, PUBLISHED, allow(USER, "kms:PutKeyPolicy")))
    assert {"key-policy-public", "key-policy-delegated"} <= rules(delegated)


def test_who_knows_the_public_key_to_be_public_hears_of_the_rest() -> None:
    known = AlertSettings(allow=(Allow("key-policy-public", "a key for verifying", NOW * 2, key="*"),))
    theirs = allow(f"arn:aws:iam::{UNKNOWN}:root", "kms:*")
    for found in (
        put(policy(ROOTED), policy(ROOTED, PUBLISHED, theirs), settings=known),
        judged(a_key(policy=policy(ROOTED, PUBLISHED, theirs)), settings=known),
    ):
        assert rules(found) == {"key-policy-unknown-account"}


def test_what_everyone_may_do_is_told_once() -> None:
    """Also beside conditions on what a stranger has a value for, and for principals that the policy names."""
    sourced = {"StringEquals": {"aws:SourceArn": "arn:aws:s3:::ours"}}
    named = allow([USER, f"arn:aws:iam::{UNKNOWN}:root"], "kms:Decrypt")
    new = policy(ROOTED, allow("*", "kms:Decrypt"), named, allow(USER, "kms:Decrypt", Condition=sourced))
    assert rules(put(policy(ROOTED), new)) == {"key-policy-public"}


def test_who_needs_fewer_conditions_than_everyone_is_told_of() -> None:
    inside = allow("*", "kms:Decrypt", Condition={"StringEquals": {"kms:EncryptionContext:app": "web"}})
    found = put(policy(ROOTED), policy(ROOTED, inside, allow(USER, "kms:Decrypt")))
    assert rules(found) == {"key-policy-public", "key-policy-decrypt"}
