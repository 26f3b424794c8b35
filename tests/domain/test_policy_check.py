"""Which policies may be put, by kind: stricter than which policies can be read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from domain.errors import MalformedPolicy
from domain.policy import parse
from domain.policy.check import REFUSED, check_policy
from domain.policy.parse import INLINE, KEY, MANAGED, SESSION, SIMULATED, TRUST, PolicyKind, parse_policy

OF_KEYS = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
OF_ROLES = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
OF_IAM = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
GOOD_OF = {KEY: OF_KEYS, TRUST: OF_ROLES, MANAGED: OF_IAM, INLINE: OF_IAM, SESSION: OF_IAM, SIMULATED: OF_IAM}
IAM_KINDS = [TRUST, MANAGED, INLINE, SESSION, SIMULATED]
IDENTITY_KINDS = [MANAGED, INLINE, SESSION, SIMULATED]


def put(kind: PolicyKind, **elements: Any) -> None:
    statement = {name: value for name, value in (GOOD_OF[kind] | elements).items() if value is not None}
    check_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}), kind)


@pytest.mark.parametrize("sid", ["two words", "one-two", "one_two", "ä", "a.b", " "])
def test_a_sid_of_iam_is_letters_and_digits(sid: str) -> None:
    """User guide, reference_policies_elements_sid; a key policy's "can include spaces" (KMS guide, key-policy-overview)."""
    for kind in IAM_KINDS:
        with pytest.raises(
            MalformedPolicy, match=r"^Statement IDs \(SID\) must be alpha-numeric. Check that your input "
        ):
            put(kind, Sid=sid)
        put(kind, Sid="One2")
    put(KEY, Sid=sid)


@pytest.mark.parametrize("principal", ["*", {"AWS": "111122223333"}, {"Service": "s3.amazonaws.com"}])
def test_not_principal_is_for_deny_and_for_keys_alone(principal: Any) -> None:
    """User guide, reference_policies_elements_notprincipal: "Using it with "Effect":"Allow" is not supported"; "You cannot
    use the NotPrincipal element in an IAM identity-based policy nor in an IAM role trust policy"."""
    put(KEY, Principal=None, NotPrincipal=principal, Effect="Deny")
    with pytest.raises(MalformedPolicy, match="with Allow it is not supported"):
        put(KEY, Principal=None, NotPrincipal=principal)
    for effect in ("Allow", "Deny"):
        with pytest.raises(MalformedPolicy, match="prohibited field NotPrincipal"):
            put(TRUST, Principal=None, NotPrincipal=principal, Effect=effect)
        for kind in IDENTITY_KINDS:
            with pytest.raises(MalformedPolicy, match="should not specify a principal"):
                put(kind, NotPrincipal=principal, Effect=effect)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("kms:EncryptionContext:App", "EncryptionContext: Using the ForAllValues set operator"),
        ("KMS:encryptioncontext:App", "EncryptionContext: Using the ForAllValues set operator"),
        ("aws:RequestTag/team", "OverlyPermissiveCondition: Using the ForAllValues set operator"),
        ("AWS:requesttag/Team", "without the specified tag or with an unspecified tag. To fix, remove ForAllValues."),
    ],
)
@pytest.mark.parametrize("operator", ["StringEquals", "StringLike", "StringNotEqualsIfExists"])
def test_for_all_values_on_a_single_valued_key_is_refused_by_kms(key: str, words: str, operator: str) -> None:
    """KMS developer guide, conditions-kms, Using set operators with condition keys: applies to key policies."""
    for effect in ("Allow", "Deny"):
        with pytest.raises(MalformedPolicy, match=re.escape(words)):
            put(KEY, Condition={f"ForAllValues:{operator}": {key: "x"}}, Effect=effect)
    put(KEY, Condition={operator: {key: "x"}})
    put(KEY, Condition={f"ForAnyValue:{operator}": {key: "x"}})
    for kind in IAM_KINDS:
        put(kind, Condition={f"ForAllValues:{operator}": {key: "x"}})
    for many in ("aws:TagKeys", "kms:EncryptionContextKeys", "kms:ResourceAliases"):
        put(KEY, Condition={f"ForAllValues:{operator}": {many: "x"}})


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "aws-iso", "", "AWS", "${aws:Partition}"])
def test_another_partition_is_refused(partition: str) -> None:
    for kind in (KEY, TRUST):
        for resource in ("iam::111122223333:user/a", "iam::111122223333:root", "sts::111122223333:assumed-role/a/b"):
            for effect, element in (("Allow", "Principal"), ("Deny", "NotPrincipal")):
                named = {"Principal": None, element: {"AWS": ["*", f"arn:{partition}:{resource}"]}, "Effect": effect}
                with pytest.raises(MalformedPolicy):
                    put(kind, **named)
        with pytest.raises(MalformedPolicy, match="one or more invalid principals"):
            put(kind, Principal={"AWS": f"arn:{partition}:iam::111122223333:role/a"})
        with pytest.raises(MalformedPolicy, match="one or more invalid principals"):
            put(kind, Principal={"Service": "ec2.amazonaws.com.cn"})
        with pytest.raises(MalformedPolicy, match="one or more invalid principals"):
            put(kind, Principal={"Federated": f"arn:{partition}:iam::111122223333:saml-provider/a"})
        put(kind, Principal={"Federated": "arn:aws:iam::111122223333:saml-provider/a"})
    arn = f"arn:{partition}:kms:us-east-1:111122223333:key/*"
    for kind in IDENTITY_KINDS:
        for given in ({"Resource": [arn]}, {"Resource": None, "NotResource": ["*", arn]}):
            with pytest.raises(
                MalformedPolicy, match=re.escape(f'Partition "{partition}" is not valid for resource "{arn}".')
            ):
                put(kind, **given)
        for fine in ("arn:aws:kms:*:*:key/*", "arn:*:kms:us-east-1:111122223333:key/*", "arn:aws:s3:::b", "*"):
            put(kind, Resource=fine)


def test_a_policy_that_is_refused_now_is_still_read_from_the_log() -> None:
    """An earlier version accepted it. A key with a policy that can no longer be read would be lost."""
    for kind, elements in (
        (KEY, {"Principal": None, "NotPrincipal": "*"}),
        (KEY, {"Principal": {"AWS": "arn:aws-cn:iam::111122223333:root"}}),
        (KEY, {"Condition": {"ForAllValues:StringEquals": {"aws:RequestTag/a": "b"}}}),
        (TRUST, {"Sid": "two words", "Principal": None, "NotPrincipal": "*"}),
        (MANAGED, {"Sid": "a-b", "Resource": "arn:aws-cn:kms:us-east-1:111122223333:key/a"}),
    ):
        statement = {name: value for name, value in (GOOD_OF[kind] | elements).items() if value is not None}
        text_of = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        with pytest.raises(MalformedPolicy):
            check_policy(text_of, kind)
        assert len(parse_policy(text_of, kind).statements) == 1


def test_every_kind_of_policy_says_what_it_may_not_hold() -> None:
    kinds = {each for each in vars(parse).values() if isinstance(each, PolicyKind)}
    assert set(REFUSED) == kinds == set(GOOD_OF)
