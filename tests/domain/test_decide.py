"""What happens to a person who changes a key: every command, with given, when and then."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from domain.commands.accounts import CreateAccount
from domain.commands.aliases import CreateAlias, DeleteAlias, UpdateAlias
from domain.commands.change_key import DisableKey, EnableKey, UpdateKeyDescription
from domain.commands.put_key_policy import PutKeyPolicy
from domain.errors import (
    AccessRefused,
    AliasNotFound,
    AlreadyExists,
    InvalidAliasName,
    InvalidArn,
    InvalidRequest,
    InvalidTag,
    KeyNotFound,
    MalformedPolicy,
    NoSuchPolicyName,
    UnsupportedOperation,
)
from domain.log import events
from domain.policy.default import default_key_policy
from services.questions.policy_draft import checked
from tests.given import ACCOUNT, OTHER, REGION, ROOT, STRANGER, a_key, arn, create_key, given, key_id
from tests.policies import to_identity, user

ONLY_ENCRYPT = json.dumps(
    {"Statement": {"Sid": "e", "Effect": "Allow", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"}}
)
DEFAULT = default_key_policy(ACCOUNT)


def test_a_key_without_a_policy_gets_the_documented_default() -> None:
    happened = given().when(create_key()).outcome
    assert happened is not None
    event = happened.event
    assert isinstance(event, events.KeyCreated)
    document = json.loads(event.policy)
    assert document["Id"] == "key-default-1"
    assert document["Statement"] == [
        {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    assert happened.decision.resources[0] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key_id(99)}"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"spec": "SM2", "usage": "SIGN_VERIFY"}, UnsupportedOperation),
        ({"spec": "ML_KEM_512", "usage": "ENCAPSULATE_DECAPSULATE"}, UnsupportedOperation),
        ({"spec": "HMAC_256"}, InvalidRequest),
        ({"spec": "HMAC_256", "usage": "ENCRYPT_DECRYPT"}, InvalidRequest),
        ({"spec": "ECC_SECG_P256K1", "usage": "KEY_AGREEMENT"}, InvalidRequest),
        ({"spec": "ECC_NIST_EDWARDS25519", "usage": "KEY_AGREEMENT"}, InvalidRequest),
        ({"spec": "ML_DSA_44", "usage": "ENCAPSULATE_DECAPSULATE"}, InvalidRequest),
        ({"multi_region": True}, UnsupportedOperation),
        ({"origin": "AWS_CLOUDHSM"}, UnsupportedOperation),
        ({"origin": "EXTERNAL"}, InvalidRequest),
        ({"material": ""}, InvalidRequest),
        ({"key_store": True}, UnsupportedOperation),
        ({"spec": "RSA_2048"}, InvalidRequest),
        ({"spec": "ECC_NIST_P256", "usage": "ENCRYPT_DECRYPT"}, InvalidRequest),
        ({"usage": "SIGN_VERIFY"}, InvalidRequest),
        ({"tags": [("aws:x", "")]}, InvalidTag),
        ({"tags": [("a", ""), ("a", "")]}, InvalidTag),
        ({"tags": [(str(n), "") for n in range(51)]}, InvalidTag),
        ({"policy": ONLY_ENCRYPT}, MalformedPolicy),
        ({"policy": "{"}, MalformedPolicy),
        ({"key": key_id(1)}, AlreadyExists),
    ],
)
def test_a_key_that_cannot_be_made(changes: dict[str, object], refusal: type) -> None:
    given(a_key(1)).when(create_key(**changes)).refused(refusal)


def test_a_policy_replaces_the_one_before_whole_and_is_numbered() -> None:
    put = PutKeyPolicy(key_id(), DEFAULT)
    first = events.PolicyReplaced(key_id(), 2, DEFAULT, False, False, {})
    given(a_key()).when(put).then(first)
    given(a_key(), first).when(put).then(replace(first, version=3))


def test_a_policy_that_would_lock_its_author_out_is_refused() -> None:
    """Developer guide, key-policy-modifying: the caller must be able to call PutKeyPolicy afterwards."""
    message = "The new key policy will not allow you to update the key policy in the future."
    given(a_key()).when(PutKeyPolicy(key_id(), ONLY_ENCRYPT)).refused(MalformedPolicy, message)


ON_ALIAS = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/a"}}
EVERYTHING = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
NOBODY_BY_ALIAS = json.dumps({"Statement": [EVERYTHING, EVERYTHING | {"Effect": "Deny", "Condition": ON_ALIAS}]})
ALL_BY_ALIAS = json.dumps({"Statement": [EVERYTHING | {"Condition": ON_ALIAS}]})


@pytest.mark.parametrize("alias", ["alias/a", "alias/b", ""])
def test_the_lockout_check_knows_the_aliases_of_the_key(alias: str) -> None:
    """Whoever is not locked out may put the next policy, and nobody else may (developer guide, key-policy-modifying)."""
    named = [events.AliasCreated(ACCOUNT, alias, key_id())] if alias else []
    for text, opens in ((NOBODY_BY_ALIAS, alias != "alias/a"), (ALL_BY_ALIAS, alias == "alias/a")):
        there = given(a_key(), *named)
        told = checked(text, there.world.keys[key_id()], ROOT, there.world)
        assert (told["fault"], told["locked_out"]) == (None, not opens)
        there.when(PutKeyPolicy(key_id(), text, bypass_lockout_check=True))
        put = events.PolicyReplaced(key_id(), 2, text, True, not opens, {})
        there.then(put)
        after = given(a_key(), *named, put).when(PutKeyPolicy(key_id(), DEFAULT))
        assert isinstance(after.event, events.PolicyReplaced) == opens
        if opens:
            there.when(PutKeyPolicy(key_id(), text)).then(replace(put, bypassed_lockout_check=False))
        else:
            there.when(PutKeyPolicy(key_id(), text)).refused(MalformedPolicy, "in the future")


def test_the_lockout_check_is_of_a_policy_that_the_caller_provides() -> None:
    """API reference, CreateKey, Policy: "If you provide a key policy, it must ..." A caller who may only create keys
    gets one with the default policy."""
    maker = user(to_identity(Action="kms:CreateKey"))
    made = given().when(create_key(), by=maker).outcome
    assert made is not None
    assert isinstance(made.event, events.KeyCreated)
    assert (made.event.policy, made.event.locked_out) == (DEFAULT, True)
    given().when(create_key(policy=DEFAULT), by=maker).refused(MalformedPolicy, "update the key policy in the future")


def test_bypassing_the_lockout_check_is_allowed_and_recorded() -> None:
    put = PutKeyPolicy(key_id(), ONLY_ENCRYPT, bypass_lockout_check=True)
    given(a_key()).when(put).then(events.PolicyReplaced(key_id(), 2, ONLY_ENCRYPT, True, True, {}))


def test_who_is_locked_out_stays_out() -> None:
    locked = events.PolicyReplaced(key_id(), 2, ONLY_ENCRYPT, True, True, {})
    refused = given(a_key(), locked).when(PutKeyPolicy(key_id(), DEFAULT)).refused(AccessRefused, "kms:PutKeyPolicy")
    assert refused.by == {"kind": "implicit-deny", "rule": "no-resource-policy-allows"}


def test_a_policy_has_one_name() -> None:
    given(a_key()).when(PutKeyPolicy(key_id(), DEFAULT, name="other")).refused(NoSuchPolicyName)


def test_a_policy_cannot_be_put_on_a_key_of_another_account() -> None:
    """#cross-account-operations: PutKeyPolicy does not reach across accounts, whatever the key policy says."""
    open_to_all = a_key(policy=json.dumps({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}))  # fmt: skip
    given(open_to_all).when(PutKeyPolicy(arn(), DEFAULT), by=STRANGER).refused(AccessRefused)
    given(open_to_all).when(PutKeyPolicy(key_id(), DEFAULT), by=STRANGER).refused(KeyNotFound)


@pytest.mark.parametrize(
    ("reference", "refusal"),
    [
        ("nope", KeyNotFound),
        (key_id(2), KeyNotFound),
        ("alias/a", KeyNotFound),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a", InvalidArn),
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{key_id()}", KeyNotFound),
        ("arn:aws:s3:::bucket", InvalidArn),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/", InvalidArn),
        ("arn:", InvalidArn),
    ],
)
def test_an_unknown_key_is_refused(reference: str, refusal: type) -> None:
    given(a_key(), events.AliasCreated(ACCOUNT, "alias/a", key_id())).when(EnableKey(reference)).refused(refusal)


def test_a_key_is_enabled_disabled_and_described_by_id_and_by_arn() -> None:
    given(a_key()).when(DisableKey(key_id())).then(events.KeyDisabled(key_id()))
    given(a_key(), events.KeyDisabled(key_id())).when(EnableKey(arn())).then(events.KeyEnabled(key_id()))
    given(a_key()).when(UpdateKeyDescription(arn(), "new")).then(events.KeyDescribed(key_id(), "new"))


def test_an_alias_is_made_moved_and_deleted() -> None:
    made = events.AliasCreated(ACCOUNT, "alias/a", key_id(1))
    moved = events.AliasMoved(ACCOUNT, "alias/a", key_id(2), key_id(1))
    two = (a_key(1), a_key(2))
    given(*two).when(CreateAlias("alias/a", key_id(1))).then(made)
    given(*two, made).when(UpdateAlias("alias/a", key_id(2))).then(moved)
    given(*two, made, moved).when(DeleteAlias("alias/a")).then(events.AliasDeleted(ACCOUNT, "alias/a", key_id(2)))


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (CreateAlias("alias/a", key_id()), AlreadyExists),
        (CreateAlias("a", key_id()), InvalidRequest),
        (CreateAlias("alias/", key_id()), InvalidRequest),
        (CreateAlias("alias/aws/s3", key_id()), InvalidAliasName),
        (CreateAlias("alias/b", "alias/a"), InvalidRequest),
        (CreateAlias("alias/b", key_id(7)), KeyNotFound),
        (CreateAlias("alias/b", arn(5, OTHER)), AccessRefused),
        (UpdateAlias("alias/none", key_id()), AliasNotFound),
        (UpdateAlias("alias/a", key_id(3)), InvalidRequest),
        (DeleteAlias("alias/none"), AliasNotFound),
        (DeleteAlias("none"), InvalidRequest),
        (UpdateAlias("none", key_id()), InvalidRequest),
    ],
)
def test_an_alias_that_cannot_be(command: object, refusal: type) -> None:
    keys = (a_key(1), a_key(3, spec="RSA_2048", usage="SIGN_VERIFY", public_key="AA=="), a_key(5, account=OTHER))
    given(*keys, events.AliasCreated(ACCOUNT, "alias/a", key_id())).when(command).refused(refusal)


def test_an_alias_asks_permission_on_the_alias_and_on_the_key() -> None:
    """Developer guide, alias-access."""
    outcome = given(a_key()).when(CreateAlias("alias/a", key_id())).outcome
    assert outcome is not None
    asked = [(reason["action"], reason["resource"]) for reason in outcome.decision.reasons]
    assert asked == [("kms:CreateAlias", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a"), ("kms:CreateAlias", arn())]


def test_only_the_first_account_hosts_others() -> None:
    given().when(CreateAccount("777788889999", "AKIA", ACCOUNT)).then(events.AccountCreated("777788889999", "AKIA"))
    given().when(CreateAccount("777788889999", "AKIA", ACCOUNT), by=STRANGER).refused(AccessRefused)
    given().when(CreateAccount(OTHER, "AKIA", ACCOUNT), by=ROOT).refused(AlreadyExists)
    given().when(CreateAccount("123", "AKIA", ACCOUNT)).refused(InvalidRequest)
