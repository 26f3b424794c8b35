"""A principal with a present or former session: its source identity, its role's name, and a permission that has
ended."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.installation import Installation

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
USE = ["kms:Encrypt", "kms:Decrypt"]


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal: str, *actions: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions), **more}
    return policy(statement)


def user(installation: Installation, name: str, *statements: dict[str, Any]) -> dict[str, str]:
    """A new user's credentials."""
    iam = installation.client(service="iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def role(installation: Installation, name: str, trusted: str, *statements: dict[str, Any]) -> str:
    """A new role's ARN."""
    iam = installation.client(service="iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return str(made)


def session(installation: Installation, by: dict[str, str], arn: str, **more: Any) -> dict[str, str]:
    """Credentials of a session of the role."""
    asked = {"RoleArn": arn, "RoleSessionName": "work", **more}
    found = installation.client(by, "sts").assume_role(**asked)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
        "AWS_SESSION_TOKEN": found["SessionToken"],
    }


ASSUMING = ("sts:AssumeRole", "sts:SetSourceIdentity")


@pytest.fixture(scope="module")
def chained(installation: Installation) -> dict[str, str]:
    """A session with source identity alice, which may assume every role."""
    alice = user(installation, "chain-alice", allow(list(ASSUMING)))
    first = role(installation, "chain-first", trust(ROOT, *ASSUMING), allow(list(ASSUMING)))
    return session(installation, alice, first, SourceIdentity="alice")


def test_role_chaining_cannot_change_who_it_was(installation: Installation, chained: dict[str, str]) -> None:
    """Gained: alice assumed a second role as MALLORY, and every record of her calls named mallory.

    IAM user guide, id_credentials_temp_control-access_monitor: the value cannot be changed after it is set.
    """
    second = role(installation, "chain-second", trust(ROOT, *ASSUMING))
    with pytest.raises(ClientError, match=r"AccessDenied.*cannot be changed"):
        session(installation, chained, second, SourceIdentity="MALLORY")
    assert session(installation, chained, second, SourceIdentity="alice")
    kept = installation.client(chained, "sts").assume_role(RoleArn=second, RoleSessionName="work")
    assert kept["SourceIdentity"] == "alice"


def test_an_inherited_source_identity_asks_for_its_permission(
    installation: Installation, chained: dict[str, str]
) -> None:
    """Gained: a role that lets nobody, or only some, set a source identity was assumed with one that came along.

    The same page: chaining also asks for sts:SetSourceIdentity in the target's trust policy.
    """
    without = role(installation, "chain-without", trust(ROOT, "sts:AssumeRole"))
    with pytest.raises(ClientError, match="not authorized to perform: sts:SetSourceIdentity"):
        session(installation, chained, without)
    only = {"Condition": {"StringEquals": {"sts:SourceIdentity": "bob"}}}
    of_bob = role(installation, "chain-bob", trust(ROOT, *ASSUMING, **only))
    with pytest.raises(ClientError, match="not authorized"):
        session(installation, chained, of_bob)
    only = {"Condition": {"StringEquals": {"sts:SourceIdentity": "alice"}}}
    assert session(installation, chained, role(installation, "chain-alice", trust(ROOT, *ASSUMING, **only)))


def test_a_grant_to_a_session_ends_with_its_role(installation: Installation) -> None:
    """Gained: a caller who may create a role makes the deleted one again, names the session alike, and has its
    grants."""
    iam, kms = installation.client(service="iam"), installation.client()
    guest = user(installation, "grant-guest", allow("sts:AssumeRole"))
    arn = role(installation, "grant-role", trust(ROOT, "sts:AssumeRole"))
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    name = f"arn:aws:sts::{ACCOUNT}:assumed-role/grant-role/work"
    kms.create_grant(KeyId=key, GranteePrincipal=name, RetiringPrincipal=name, Operations=["Encrypt", "RetireGrant"])
    asked = {"KeyId": key, "Plaintext": b"x"}
    assert installation.client(session(installation, guest, arn)).encrypt(**asked)["KeyId"]
    assert kms.list_grants(KeyId=key, GranteePrincipal=name)["Grants"][0]["GranteePrincipal"] == name
    assert len(kms.list_retirable_grants(RetiringPrincipal=name)["Grants"]) == 1
    iam.delete_role(RoleName="grant-role")
    again = session(installation, guest, role(installation, "grant-role", trust(ROOT, "sts:AssumeRole")))
    with pytest.raises(ClientError, match="AccessDenied"):
        installation.client(again).encrypt(**asked)
    (grant,) = kms.list_grants(KeyId=key)["Grants"]
    assert grant["GranteePrincipal"].startswith("AROA")
    with pytest.raises(ClientError, match="AccessDenied"):
        installation.client(again).retire_grant(KeyId=key, GrantId=grant["GrantId"])


def test_a_key_policy_that_names_a_session_ends_with_its_role(installation: Installation) -> None:
    """Gained: the same through a statement of a key policy."""
    iam, kms = installation.client(service="iam"), installation.client()
    guest = user(installation, "policy-guest", allow("sts:AssumeRole"))
    arn = role(installation, "policy-role", trust(ROOT, "sts:AssumeRole"))
    name = f"arn:aws:sts::{ACCOUNT}:assumed-role/policy-role/work"
    rooted = allow("kms:*", Principal={"AWS": ROOT})
    text = policy(rooted, allow(USE, Principal={"AWS": name}))
    key = kms.create_key(Policy=text)["KeyMetadata"]["KeyId"]
    asked = {"KeyId": key, "Plaintext": b"x"}
    assert installation.client(session(installation, guest, arn)).encrypt(**asked)["KeyId"]
    assert kms.get_key_policy(KeyId=key)["Policy"] == text
    iam.delete_role(RoleName="policy-role")
    again = session(installation, guest, role(installation, "policy-role", trust(ROOT, "sts:AssumeRole")))
    with pytest.raises(ClientError, match="AccessDenied"):
        installation.client(again).encrypt(**asked)
    shown = json.loads(kms.get_key_policy(KeyId=key)["Policy"])["Statement"][1]["Principal"]["AWS"]
    assert shown.startswith("AROA")
    assert shown.endswith(":work")


def test_a_deny_with_not_principal_spares_nobody_who_has_a_boundary(installation: Installation) -> None:
    """Gained: a Deny that AWS applies to every principal with a permissions boundary let one through.

    IAM user guide, reference_policies_elements_notprincipal: "regardless of the values".
    """
    iam, kms = installation.client(service="iam"), installation.client()
    bounds = iam.create_policy(PolicyName="bounds", PolicyDocument=policy(allow("*")))["Policy"]["Arn"]
    free = user(installation, "spared", allow("kms:*"))
    bounded = user(installation, "bounded", allow("kms:*"))
    iam.put_user_permissions_boundary(UserName="bounded", PermissionsBoundary=bounds)
    names = [ROOT, *(f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("spared", "bounded"))]
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": names}, "Action": "kms:Encrypt", "Resource": "*"}
    text = policy(allow("kms:*", Principal={"AWS": ROOT}), deny)
    key = kms.create_key(Policy=text)["KeyMetadata"]["KeyId"]
    assert installation.client(free).encrypt(KeyId=key, Plaintext=b"x")["KeyId"]
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        installation.client(bounded).encrypt(KeyId=key, Plaintext=b"x")
    told = installation.answers("explain", "--principal", names[2], "--operation", "Encrypt", "--key", key)[0]
    assert told["effect"] == "deny"
    installation.caught_up()
    (found,) = installation.answers("who-can", "kms:Encrypt", key)
    could = {row["principal"] for row in found["items"]}
    assert names[1] in could
    assert names[2] not in could


@contextmanager
def following(installation: Installation, by: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    path = "/v1/alerts/stream"
    request = AWSRequest("GET", installation.url + path)
    keys = Credentials(by["AWS_ACCESS_KEY_ID"], by["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "keytrail", "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection(urlsplit(installation.url).netloc, timeout=20)) as connection:
        connection.request("GET", path, headers=dict(request.headers))
        yield connection.getresponse()


@pytest.mark.parametrize("end", ["policy", "key", "user"])
def test_a_stream_of_alerts_ends_with_its_permission(installation: Installation, end: str) -> None:
    """Gained: a dismissed user went on reading every alert of the account for as long as the connection held."""
    iam = installation.client(service="iam")
    name = f"reader-{end}"
    reader = user(installation, name, allow("keytrail:ReadAlerts"))
    with following(installation, reader) as stream:
        assert stream.status == 200
        assert stream.readline() == b": the alerts\n"
        if end == "policy":
            iam.delete_user_policy(UserName=name, PolicyName="own")
        else:
            iam.delete_access_key(UserName=name, AccessKeyId=reader["AWS_ACCESS_KEY_ID"])
        if end == "user":
            iam.delete_user_policy(UserName=name, PolicyName="own")
            iam.delete_user(UserName=name)
        began = time.monotonic()
        rest = stream.read().decode()  # to its end
        assert time.monotonic() - began < 15
    code = "AccessDeniedException" if end == "policy" else "UnrecognizedClientException"
    assert f'event: error\ndata: {{"code":"{code}"' in rest
