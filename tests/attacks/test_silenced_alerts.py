"""Somebody who may change a key wants to do so without an alert. Each test is a way that was silent, by real calls."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from services.cli.client import Client
from tests.installation import Installation, eventually

ACCOUNT = "111122223333"
ROOTED = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
NAMES = count(1)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [ROOTED, *statements]})


def raised(installation: Installation, key: str) -> list[dict[str, Any]]:
    return list(Client(installation.data).items("/v1/alerts", key=key))


def tells(installation: Installation, key: str, *rules: str) -> None:
    """Wait until these rules have told of the key."""
    eventually(lambda: set(rules) <= {each["rule"] for each in raised(installation, key)})


def test_a_tag_of_trails_silences_no_alert(installation: Installation) -> None:
    """Gained: a key that is open to everyone, by a tag that anybody may choose."""
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    kms = installation.client()
    tags = [{"TagKey": "keytrail-unseen", "TagValue": "key policy"}]
    key = kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
    kms.put_key_policy(KeyId=key, Policy=policy(anyone))
    tells(installation, key, "key-policy-public")


def test_a_harmless_public_statement_silences_no_alert(installation: Installation) -> None:
    public = {"Effect": "Allow", "Principal": "*", "Action": "kms:DescribeKey", "Resource": "*"}
    theirs = {"Effect": "Allow", "Principal": {"AWS": "777788889999"}, "Action": "kms:Decrypt", "Resource": "*"}
    kms = installation.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.put_key_policy(KeyId=key, Policy=policy(public, theirs))
    tells(installation, key, "key-policy-public", "key-policy-unknown-account")


def test_a_grant_that_takes_conditions_away_is_told_of(installation: Installation) -> None:
    kms, iam = installation.client(), installation.client(service="iam")
    user = iam.create_user(UserName=f"tenant-{next(NAMES)}")["User"]["Arn"]
    bound = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "kms:Decrypt", "Resource": "*"}
    condition = {"StringEquals": {"kms:EncryptionContext:tenant": "a"}}
    key = kms.create_key(Policy=policy(bound | {"Condition": condition}))["KeyMetadata"]["KeyId"]
    others = {"EncryptionContextSubset": {"tenant": "b"}}
    kms.create_grant(KeyId=key, GranteePrincipal=user, Operations=["Decrypt"], Constraints=others)
    tells(installation, key, "grant-new-access")


def test_an_alias_that_is_made_again_for_another_key_is_told_of(installation: Installation) -> None:
    """And one that is made again for the same key is not: the rule sees both, and the second key tells that it has looked."""
    kms = installation.client()
    first, second = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    moved, same = (f"alias/silent-{next(NAMES)}" for _ in range(2))
    for name, key in ((same, first), (moved, second)):
        kms.create_alias(AliasName=name, TargetKeyId=first)
        kms.delete_alias(AliasName=name)
        kms.create_alias(AliasName=name, TargetKeyId=key)
    tells(installation, second, "alias-moved")
    assert [each["subject"] for each in raised(installation, second)] == [moved]
    assert "alias-moved" not in {each["rule"] for each in raised(installation, first)}
