"""Identity policies for nearly every key: each was silent once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.alerts.engine.alert import Alert
from domain.alerts.unnamed import unnamed_ids
from domain.alerts.wide_identity_policy import MOST_STEPS, gives_in_steps
from domain.log import identity_events as identities
from tests.alert_cases import READER_ID, judged, policy
from tests.domain.test_alert_evasions import rules
from tests.given import ACCOUNT, OTHER


def given_by(action: Any = "kms:Decrypt", resource: Any = "*", **more: Any) -> str:
    """An identity policy."""
    named = {} if "NotResource" in more else {"Resource": resource}
    return policy({"Effect": "Allow", "Action": action, **named, **more})


ALLOWED = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}


def denied(resource: Any, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": resource, "Condition": condition}


def keys(*patterns: str) -> list[str]:
    return [f"arn:aws:kms:*:*:key/{each}" for each in patterns]


def inline(text: str, before: str = "") -> list[Alert]:
    put = identities.InlinePolicyPut(ACCOUNT, "user", READER_ID, "p", text)
    return judged(put, *([replace(put, document=before)] if before else []))


def under(**condition: Any) -> str:
    return given_by(Condition=condition)


SERVICES = [f"{each}.us-east-1.amazonaws.com" for each in ("s3", "ec2")]


def through(service: str | list[str]) -> dict[str, Any]:
    return ALLOWED | {"Condition": {"StringEquals": {"kms:ViaService": service}}}


def denied_tags(**condition: Any) -> dict[str, Any]:
    """A Deny whose conditions read several tags: `a="true"` for a resource that has no tag a, "false" for one that has it."""
    return denied("*", Null={f"aws:ResourceTag/{name}": value for name, value in condition.items()})


NEITHER, BOTH = denied_tags(a="true", b="true"), denied_tags(a="false", b="false")
FIRST_DIGITS = [f"{each}*" for each in "123456789abcdef"]


@pytest.mark.parametrize(
    "text",
    [
        given_by(resource=keys("*-4*-*-*")),
        given_by(resource=keys(*FIRST_DIGITS)),
        given_by(resource=keys("8*")),
        given_by(resource=keys("???????c-*")),
        given_by(NotResource=keys("00000000-0000-0000-0000-000000000000")),
        given_by(NotResource=keys("0*", *FIRST_DIGITS[:12])),
        given_by("kms:ReEncryptFrom"),
        given_by("kms:ReEncrypt*"),
        given_by("kms:DeriveSharedSecret"),
        given_by("kms:Decapsulate"),
        under(StringEquals={"aws:ResourceAccount": ACCOUNT}),
        under(StringEquals={"aws:ResourceAccount": "${aws:PrincipalAccount}"}),
        under(StringEquals={"kms:KeySpec": "SYMMETRIC_DEFAULT"}),
        under(StringEquals={"kms:KeyUsage": "ENCRYPT_DECRYPT"}),
        under(StringEquals={"kms:KeyOrigin": "AWS_KMS"}),
        under(Null={"aws:ResourceTag/x": "false"}),
        under(Null={"aws:ResourceTag/x": "true"}),
        under(StringLike={"aws:ResourceTag/x": "*"}),
        under(StringLike={"aws:ResourceTag/x": "?*", "aws:ResourceTag/y": "*"}),
        under(**{"ForAnyValue:StringLike": {"kms:ResourceAliases": "*"}}),
        under(**{"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/*"}}),
        under(Null={"aws:ResourceTag/zzz": "true"}, **{"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/*"}}),
        under(StringLike={"aws:ResourceTag/team": "*"}, Null={"aws:ResourceTag/keep-out": "true"}),
        under(Null={"kms:ResourceAliases": "true", "aws:ResourceTag/team": "false"}),
        under(StringLike={"aws:ResourceTag/team": [f"{each}*" for each in "ghijklmnopqrstuvwxyz"]}),
        under(**{"ForAnyValue:StringLike": {"kms:ResourceAliases": [f"alias/{each}*" for each in "ghijklmnopqrstuvwxyz"]}}),
        policy(ALLOWED, denied("*", Null={"aws:ResourceTag/team": "true"}), denied("*", Null={"aws:ResourceTag/out": "false"})),
        policy(ALLOWED | {"Condition": {"Null": {"aws:ResourceTag/x": "true"}}}, denied(keys("0*"), Null={"aws:ResourceTag/x": "true"})),
        policy(ALLOWED, denied("*", StringLike={"aws:ResourceTag/x": "0*"}), denied("*", Null={"aws:ResourceTag/x": "true"})),
        policy(ALLOWED, NEITHER),
        policy(ALLOWED, NEITHER, BOTH),
        policy(ALLOWED, NEITHER, BOTH, denied_tags(a="true", b="false")),
        policy(ALLOWED, denied_tags(a="true", b="true", c="true"), denied_tags(a="false", b="false", c="false")),
        policy(ALLOWED, NEITHER, BOTH, denied(keys("0*"), Null={"aws:ResourceTag/a": "true", "aws:ResourceTag/b": "false"}),
               denied(keys("0*"), Null={"aws:ResourceTag/a": "false", "aws:ResourceTag/b": "true"})),
        policy(ALLOWED, NEITHER, BOTH, denied(keys("0*"), Null={"aws:ResourceTag/a": "true"}),
               denied(keys("0*"), Null={"aws:ResourceTag/a": "false"})),
        policy(ALLOWED, NEITHER, BOTH, denied("*", StringLike={"aws:ResourceTag/a": ["0*", "1*"]}),
               denied_tags(a="true", b="false")),
        policy(ALLOWED, denied("*", Null={"aws:ResourceTag/a": "true", "kms:ResourceAliases": "true"}),
               denied("*", Null={"aws:ResourceTag/a": "false", "kms:ResourceAliases": "false"})),
    ],
)  # fmt: skip
def test_a_policy_for_nearly_every_key_is_wide(text: str) -> None:
    """Gained: decryption under every key by a policy that spared one id, or asked for what every key has."""
    assert "identity-wide" in rules(inline(text))


@pytest.mark.parametrize(
    "text",
    [
        given_by(resource=keys("12345678-1234-4234-8234-123456789012")),
        given_by(resource=keys("mrk-*")),
        given_by(resource="arn:aws:kms:*:*:alias/*"),
        given_by(resource=f"arn:aws:kms:*:{OTHER}:key/*"),
        under(StringEquals={"aws:ResourceAccount": OTHER}),
        under(StringEquals={"aws:ResourceTag/team": "payments"}),
        under(StringLike={"aws:ResourceTag/team": "pay*"}),
        under(StringLike={"aws:ResourceTag/team": ["qa*", "*db*", "*-eu"]}),
        policy(ALLOWED, denied("*", StringNotEquals={"aws:ResourceTag/team": "payments"})),
        policy(ALLOWED, denied("*", StringNotEquals={"aws:ResourceTag/a": "x", "aws:ResourceTag/b": "y"})),
        policy(ALLOWED, NEITHER, BOTH, denied_tags(a="true", b="false"), denied_tags(a="false", b="true")),
        under(**{"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/payments-*"}}),
        given_by("kms:Encrypt"),
        given_by("kms:ReEncryptTo"),
    ],
)
def test_a_policy_for_some_keys_is_not_wide(text: str) -> None:
    assert "identity-wide" not in rules(inline(text))


def test_the_ids_that_are_asked_about_cannot_be_spared() -> None:
    """Whoever reads this code cannot write a policy for all keys but those: they follow from the policy itself."""
    text = given_by()
    spared = {each for _ in range(3) for each in unnamed_ids(text)}
    assert "identity-wide" in rules(inline(given_by(NotResource=keys(*spared))))
    assert all(UUID(each).version == 4 and str(UUID(each)) == each for each in spared)
    assert len(spared) == 16


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (under(StringEquals={"kms:ViaService": "s3.us-east-1.amazonaws.com"}), under(StringLike={"kms:ViaService": "*"}), True),
        (under(StringLike={"kms:ViaService": "*"}), under(StringEquals={"kms:ViaService": "s3.us-east-1.amazonaws.com"}), False),
        (given_by(), under(StringLike={"kms:ViaService": "*"}), False),
        (policy(*map(through, SERVICES)), policy(through(SERVICES)), False),
        (policy(*map(through, SERVICES)), policy(through([*SERVICES, "rds.us-east-1.amazonaws.com"])), True),
        (given_by(), given_by("kms:*"), True),
        (given_by("kms:*"), given_by(), False),
        (given_by(), given_by(["kms:Decrypt", "kms:Encrypt"]), False),
    ],
)  # fmt: skip
def test_conditions_that_ask_for_less_make_a_policy_wider(before: str, after: str, *, told: bool) -> None:
    assert ("identity-wide" in rules(inline(after, before))) is told


def test_a_costly_identity_policy_is_unclear_and_keeps_nobody_waiting() -> None:
    pattern = "*" + "?a" * 700
    costly_one = policy(*(
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"StringLike": {"kms:ViaService": f"{pattern}{n}"}}}
        for n in range(6)
    ))  # fmt: skip
    (alert,) = (each for each in inline(costly_one) if each.rule.id == "identity-wide")
    assert "perhaps kms:Decrypt (which takes too many steps to say)" in alert.finding.summary


MANY = [f"a{each}" for each in range(18)]
NONE_OF_MANY = denied_tags(**dict.fromkeys(MANY, "true"))


def test_denies_of_many_tags_are_unclear_and_keep_nobody_waiting() -> None:
    """Whatever the first tags are, the last two are denied; but that is a puzzle in general."""
    either = [denied_tags(y=one, z=other) for one in ("true", "false") for other in ("true", "false")]
    text = policy(ALLOWED, NONE_OF_MANY, *either)
    (alert,) = inline(text)
    assert "perhaps kms:Decrypt (which takes too many steps to say)" in alert.finding.summary
    assert gives_in_steps(text, ACCOUNT, "us-east-1")[1] < 2 * MOST_STEPS
    assert "identity-wide" not in rules(inline(policy(ALLOWED, *either)))


def test_denies_of_many_tags_beside_a_named_one_are_understood() -> None:
    named = denied("*", StringNotEquals={"aws:ResourceTag/y": "payments", "aws:ResourceTag/z": "payments"})
    assert "identity-wide" not in rules(inline(policy(ALLOWED, NONE_OF_MANY, named)))
    (alert,) = inline(policy(ALLOWED, NONE_OF_MANY))
    assert "perhaps" not in alert.finding.summary
