"""Who may, by whole calls: every way to a Decrypt, each refused when one part of it is removed, on every worker."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from tests.installation import Installation, eventually
from tests.wire_client import OnWorker

ACCOUNT, OTHER = "111122223333", "777788889999"
Credentials = dict[str, str]
Undo = Callable[[], Any]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def may(action: str, **elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*"} | elements


def to(principal: str, action: str = "kms:*") -> dict[str, Any]:
    return may(action, Principal={"AWS": principal})


def trusting(principal: str) -> str:
    return document({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"})


def fresh(name: str) -> str:
    return f"{name}-{uuid4().hex[:8]}"


class HasInstallation(Protocol):
    @property
    def installation(self) -> Installation: ...


@dataclass
class House:
    """The installation's root clients, and users made for one test each."""

    installation: Installation
    iam: Any
    sts: Any
    kms: Any

    def user(self, name: str = "user") -> tuple[str, str, Credentials]:
        """(name, ARN, credentials) of a new user."""
        name = fresh(name)
        arn = self.iam.create_user(UserName=name)["User"]["Arn"]
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return name, arn, credentials(key)

    def key(self, *statements: dict[str, Any]) -> str:
        """The ARN of a key whose policy has these statements beside root's."""
        key = self.kms.create_key()["KeyMetadata"]["Arn"]
        self.put(key, *statements)
        return str(key)

    def put(self, key: str, *statements: dict[str, Any]) -> None:
        self.kms.put_key_policy(KeyId=key, Policy=document(to(ACCOUNT), *statements))

    def client(self, given: Credentials, service: str = "kms") -> Any:
        return self.installation.client(given, service)


def credentials(key: dict[str, Any]) -> Credentials:
    found = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    return found | ({"AWS_SESSION_TOKEN": key["SessionToken"]} if "SessionToken" in key else {})


@pytest.fixture(scope="module")
def house(installation: Installation) -> House:
    return House(installation, *(installation.client(service=service) for service in ("iam", "sts", "kms")))


@pytest.fixture(scope="module")
def workers(installation: Installation) -> Iterator[list[OnWorker]]:
    """A connection to each API worker."""
    pids = {installation.pid(name) for name in ("api-1", "api-2")}
    found: dict[int, OnWorker] = {}

    def connected() -> bool:
        connection = OnWorker(installation.url)
        connection.call(installation.credentials(), "ListKeys", {})
        for pid in pids:
            if any(
                each.raddr and each.raddr.port == connection.local_port
                for each in psutil.Process(pid).net_connections()
            ):
                found.setdefault(pid, connection)
        if connection not in found.values():
            connection.close()
        return set(found) == pids

    eventually(connected)
    yield list(found.values())
    for connection in found.values():
        connection.close()


Way = tuple[str, Credentials, list[tuple[str, Undo]]]
"""(key, caller of Decrypt, the parts that can be removed)."""


def by_key_policy(house: House) -> Way:
    _, arn, who = house.user()
    key = house.key(to(arn))
    return key, who, [("the statement", lambda: house.put(key))]


def by_group(house: House) -> Way:
    name, _, who = house.user()
    group, key = fresh("group"), house.key()
    house.iam.create_group(GroupName=group)
    house.iam.put_group_policy(GroupName=group, PolicyName="use", PolicyDocument=document(may("kms:Decrypt")))
    house.iam.add_user_to_group(GroupName=group, UserName=name)
    return (
        key,
        who,
        [
            ("the membership", lambda: house.iam.remove_user_from_group(GroupName=group, UserName=name)),
            ("the group's policy", lambda: house.iam.delete_group_policy(GroupName=group, PolicyName="use")),
        ],
    )


def by_grant(house: House) -> Way:
    _, arn, who = house.user()
    key = house.key()
    grant = house.kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])
    return key, who, [("the grant", lambda: house.kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"]))]


def by_role(house: House) -> Way:
    """A role's session with a session policy. The role's permission is the second version of a managed policy."""
    _, arn, user = house.user()
    role, key = fresh("role"), house.key()
    house.iam.create_role(RoleName=role, AssumeRolePolicyDocument=trusting(arn))
    policy = house.iam.create_policy(PolicyName=fresh("use"), PolicyDocument=document(may("kms:Sign")))["Policy"]["Arn"]
    house.iam.create_policy_version(PolicyArn=policy, PolicyDocument=document(may("kms:*")), SetAsDefault=True)
    house.iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    session = house.client(user, "sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName="story", Policy=document(may("kms:Decrypt"))
    )
    return (
        key,
        credentials(session["Credentials"]),
        [
            ("the version in force", lambda: house.iam.set_default_policy_version(PolicyArn=policy, VersionId="v1")),
            ("the attachment", lambda: house.iam.detach_role_policy(RoleName=role, PolicyArn=policy)),
        ],
    )


def by_second_account(house: House) -> Way:
    other = second_account(house)
    iam = house.client(other, "iam")
    name, key = fresh("guest"), house.key(to(OTHER, "kms:Decrypt"))
    iam.create_user(UserName=name)
    who = credentials(iam.create_access_key(UserName=name)["AccessKey"])
    iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=document(may("kms:Decrypt", Resource=key)))
    return (
        key,
        who,
        [
            ("the policy at home", lambda: iam.delete_user_policy(UserName=name, PolicyName="use")),
            ("the key policy's statement", lambda: house.put(key)),
        ],
    )


_accounts: dict[str, Credentials] = {}


def second_account(house: House) -> Credentials:
    if OTHER not in _accounts:
        made = json.loads(house.installation.keytrail("account", "create", OTHER, "--json").stdout)
        _accounts[OTHER] = {
            "AWS_ACCESS_KEY_ID": made["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": made["secret_access_key"],
        }
    return _accounts[OTHER]


WAYS = [by_key_policy, by_group, by_grant, by_role, by_second_account]
CASES = [(way, part) for way, parts in ((by_key_policy, 1), (by_group, 2), (by_grant, 1), (by_role, 2), (by_second_account, 2)) for part in range(parts)]  # fmt: skip


@pytest.mark.parametrize(("way", "part"), CASES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_every_part_of_the_way_counts_on_every_worker(
    house: House, workers: list[OnWorker], soak: bool, way: Callable[[House], Way], part: int
) -> None:
    key, who, parts = way(house)
    sealed = house.kms.encrypt(KeyId=key, Plaintext=b"attack at dawn")["CiphertextBlob"]
    body = {"CiphertextBlob": b64encode(sealed).decode()}
    for worker in workers:
        status, answer = worker.call(who, "Decrypt", body)
        assert status == 200, answer
    what, take_away = parts[part]

    def is_refused(worker: OnWorker) -> bool:
        return worker.call(who, "Decrypt", body)[0] == 400

    take_away()
    answered = time.monotonic()
    for worker in workers:
        assert eventually(partial(is_refused, worker), within=1.0), what
    if soak:
        assert time.monotonic() - answered < 0.1, what


def test_a_disabled_key_and_a_deleted_user_are_refused_on_record(house: House, workers: list[OnWorker]) -> None:
    name, arn, who = house.user("leaver")
    access_key = who["AWS_ACCESS_KEY_ID"]
    house.iam.update_access_key(UserName=name, AccessKeyId=access_key, Status="Inactive")
    for worker in workers:
        assert worker.call(who, "ListKeys", {})[1]["__type"] == "UnrecognizedClientException"
    house.iam.update_access_key(UserName=name, AccessKeyId=access_key, Status="Active")
    for worker in workers:
        assert worker.call(who, "ListKeys", {})[1]["__type"] == "AccessDeniedException"
    house.iam.delete_access_key(UserName=name, AccessKeyId=access_key)
    house.iam.delete_user(UserName=name)
    for worker in workers:
        assert worker.call(who, "ListKeys", {})[1]["__type"] == "UnrecognizedClientException"
    house.installation.caught_up()
    mine = [each for each in house.installation.answers("decisions") if each["access_key"] == access_key]
    assert [each["kind"] for each in mine].count("authentication") == 4
    assert {each["principal"] for each in mine} == {arn}


def test_a_deleted_users_unique_id_shows_in_the_policy_and_a_new_user_of_the_name_is_not_meant(house: House) -> None:
    name, arn, who = house.user("alice")
    key = house.key(to(arn))
    old = house.iam.get_user(UserName=name)["User"]["UserId"]
    house.client(who).encrypt(KeyId=key, Plaintext=b"x")
    house.iam.delete_access_key(UserName=name, AccessKeyId=who["AWS_ACCESS_KEY_ID"])
    house.iam.delete_user(UserName=name)

    def named() -> str:
        statements = json.loads(house.kms.get_key_policy(KeyId=key)["Policy"])["Statement"]
        return str(statements[1]["Principal"]["AWS"])

    # Another worker than the one that answered DeleteUser decides on what it heard within the last five seconds.
    assert eventually(lambda: named() == old, within=5.0), named()
    house.iam.create_user(UserName=name)
    again = credentials(house.iam.create_access_key(UserName=name)["AccessKey"])
    with pytest.raises(ClientError, match="AccessDenied"):
        house.client(again).encrypt(KeyId=key, Plaintext=b"x")
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        house.kms.put_key_policy(KeyId=key, Policy=house.kms.get_key_policy(KeyId=key)["Policy"])


def test_the_lockout_check_counts_identity_policies_under_delegation(house: House) -> None:
    name, arn, who = house.user("admin")
    kms = house.client(who)
    create = document(may("kms:CreateKey"))
    house.iam.put_user_policy(UserName=name, PolicyName="create", PolicyDocument=create)
    provided = {"Policy": document(to(ACCOUNT))}
    kms.create_key()  # with the default policy, since the caller provided none (API reference, CreateKey, Policy)
    with pytest.raises(ClientError, match="will not allow you to update the key policy"):
        kms.create_key(**provided)
    house.iam.put_user_policy(UserName=name, PolicyName="put", PolicyDocument=document(may("kms:PutKeyPolicy")))
    kms.create_key(**provided)
    with pytest.raises(ClientError, match="will not allow you to update the key policy"):
        kms.create_key(Policy=document(to(f"{arn}", "kms:Encrypt")))


def test_decrypt_is_authorised_on_the_key_that_the_ciphertext_names(house: House) -> None:
    """#ciphertext-names-its-key"""
    _, arn, who = house.user()
    shut, opened = house.key(), house.key(to(arn))
    sealed = house.kms.encrypt(KeyId=shut, Plaintext=b"x")["CiphertextBlob"]
    for given in ({}, {"KeyId": shut}):
        with pytest.raises(ClientError) as refused:
            house.client(who).decrypt(CiphertextBlob=sealed, **given)
        assert f"kms:Decrypt on resource: {shut}" in str(refused.value)
    with pytest.raises(ClientError, match="IncorrectKeyException"):
        house.client(who).decrypt(CiphertextBlob=sealed, KeyId=opened)


def test_a_key_policy_cannot_be_put_from_another_account(house: House) -> None:
    """#cross-account-operations"""
    other = second_account(house)
    key = house.key(to(OTHER))
    house.client(other).encrypt(KeyId=key, Plaintext=b"x")
    with pytest.raises(ClientError, match="does not exist in this Region"):
        house.client(other).put_key_policy(KeyId=key, Policy=document(to(OTHER)))


def test_a_role_is_assumed_as_its_trust_policy_says(house: House) -> None:
    _, arn, user = house.user()
    role = fresh("role")
    trust = json.loads(trusting(arn))
    trust["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "42"}}
    made = house.iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    sts = house.client(user, "sts")
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=made, RoleSessionName="story")
    session = sts.assume_role(RoleArn=made, RoleSessionName="story", ExternalId="42", DurationSeconds=900)
    who = credentials(session["Credentials"])
    found = house.client(who, "sts").get_caller_identity()
    assert found["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/story"
    assert found["UserId"] == session["AssumedRoleUser"]["AssumedRoleId"]
    with pytest.raises(ClientError, match="TagSession"):
        sts.assume_role(RoleArn=made, RoleSessionName="story", ExternalId="42", Tags=[{"Key": "a", "Value": "b"}])
    with pytest.raises(ClientError, match="MaxSessionDuration"):
        sts.assume_role(RoleArn=made, RoleSessionName="story", ExternalId="42", DurationSeconds=7200)
    with pytest.raises(ClientError, match="root"):
        house.sts.assume_role(RoleArn=made, RoleSessionName="story", ExternalId="42")
    house.iam.delete_role(RoleName=role)
    with pytest.raises(ClientError, match="UnrecognizedClient"):
        house.client(who).list_keys()


def test_session_tags_are_principal_tags(house: House) -> None:
    _, arn, user = house.user()
    role, key = fresh("role"), house.key()
    trust = document({"Effect": "Allow", "Principal": {"AWS": arn}, "Action": ["sts:AssumeRole", "sts:TagSession"]})
    made = house.iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    only = may("kms:Encrypt", Condition={"StringEquals": {"kms:EncryptionContext:team": "${aws:PrincipalTag/team}"}})
    house.iam.put_role_policy(RoleName=role, PolicyName="own-team", PolicyDocument=document(only))
    session = house.client(user, "sts").assume_role(
        RoleArn=made, RoleSessionName="story", Tags=[{"Key": "Team", "Value": "blue"}]
    )
    kms = house.client(credentials(session["Credentials"]))
    kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"team": "blue"})
    with pytest.raises(ClientError, match="AccessDenied"):
        kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"team": "red"})


def test_a_session_token_may_use_keys_and_no_iam(house: House) -> None:
    name, arn, user = house.user()
    house.iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=document(may("*")))
    who = credentials(house.client(user, "sts").get_session_token()["Credentials"])
    assert house.client(who, "sts").get_caller_identity()["Arn"] == arn
    house.client(who).list_keys()
    with pytest.raises(ClientError, match="AccessDenied"):
        house.client(who, "iam").list_users()
    with pytest.raises(ClientError, match="AccessDenied"):
        house.client(who, "sts").get_session_token()
    with pytest.raises(ClientError, match="UnrecognizedClient"):
        house.client(who | {"AWS_SESSION_TOKEN": who["AWS_SESSION_TOKEN"][:-8] + "AAAAAAA="}).list_keys()


def test_grants_are_retired_by_whom_the_grant_says(house: House) -> None:
    _, grantee, _ = house.user()
    _, retiring, who = house.user()
    _, _, stranger = house.user()
    key = house.key()
    given = {"KeyId": key, "GranteePrincipal": grantee, "RetiringPrincipal": retiring, "Operations": ["Decrypt"], "Name": "one"}  # fmt: skip
    first, again = house.kms.create_grant(**given), house.kms.create_grant(**given)
    assert first["GrantId"] == again["GrantId"]
    assert first["GrantToken"] != again["GrantToken"]
    assert len(house.kms.list_grants(KeyId=key)["Grants"]) == 1
    listed = house.kms.list_retirable_grants(RetiringPrincipal=retiring)["Grants"]
    assert [each["GrantId"] for each in listed] == [first["GrantId"]]
    with pytest.raises(ClientError, match="AccessDenied"):
        house.client(stranger).retire_grant(KeyId=key, GrantId=first["GrantId"])
    with pytest.raises(ClientError, match="DryRunOperation"):
        house.client(who).retire_grant(KeyId=key, GrantId=first["GrantId"], DryRun=True)
    house.client(who).retire_grant(GrantToken=again["GrantToken"])
    assert house.kms.list_grants(KeyId=key)["Grants"] == []
    with pytest.raises(ClientError, match="InvalidGrantToken"):
        house.client(who).retire_grant(GrantToken="made-up")
    with pytest.raises(ClientError, match="InvalidGrantToken"):
        house.kms.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=["made-up"])


def test_a_child_grant_is_no_wider_than_its_parent(house: House) -> None:
    _, arn, who = house.user()
    _, child, _ = house.user()
    key = house.key()
    constraint = {"EncryptionContextSubset": {"app": "x"}}
    house.kms.create_grant(
        KeyId=key, GranteePrincipal=arn, Operations=["CreateGrant", "Decrypt"], Constraints=constraint
    )
    kms = house.client(who)
    for operations, constraints in (
        (["Encrypt"], constraint),
        (["Decrypt"], {"EncryptionContextSubset": {"app": "y"}}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            kms.create_grant(KeyId=key, GranteePrincipal=child, Operations=operations, Constraints=constraints)
    kms.create_grant(KeyId=key, GranteePrincipal=child, Operations=["Decrypt"], Constraints=constraint)


def audit(house: House, who: Credentials, path: str, body: dict[str, Any] | None = None) -> int:
    """The status of a question to the audit API."""
    return asked(house, who, path, body)[0]


def asked(house: HasInstallation, who: Credentials, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    """(status, text) of a question to the audit API."""
    sent = None if body is None else json.dumps(body).encode()
    request = AWSRequest("GET" if body is None else "POST", house.installation.url + path, data=sent)
    keys = BotoCredentials(who["AWS_ACCESS_KEY_ID"], who["AWS_SECRET_ACCESS_KEY"], who.get("AWS_SESSION_TOKEN"))
    SigV4Auth(keys, "keytrail", "us-east-1").add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, answer.text


def test_the_audit_api_asks_the_same_engine(house: House) -> None:
    name, arn, who = house.user("auditor")
    key = house.key()
    history = f"/v1/keys/{key.rpartition('/')[2]}/history"
    question = {"principal": arn, "operation": "Decrypt", "key": key}
    assert audit(house, who, "/v1/decisions") == 403
    policy = document(may("keytrail:ReadDecisions"), may("keytrail:ReadHistory", Resource=key))
    house.iam.put_user_policy(UserName=name, PolicyName="audit", PolicyDocument=policy)
    assert audit(house, who, "/v1/decisions") == 200
    assert audit(house, who, history) == 200
    assert audit(house, who, f"/v1/keys/{house.key().rpartition('/')[2]}/history") == 403
    assert audit(house, who, "/v1/explain", question) == 403
    assert audit(house, second_account(house), "/v1/explain", question) == 403
    assert audit(house, house.installation.credentials(), "/v1/explain", question) == 200


def test_a_policy_put_through_one_worker_holds_at_every_other(house: House) -> None:
    name, _, who = house.user("auditor")
    for _ in range(10):
        house.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(may("keytrail:ReadDecisions")))
        assert [audit(house, who, "/v1/decisions") for _ in range(4)] == [200] * 4  # each on a new connection
        house.iam.delete_user_policy(UserName=name, PolicyName="p")


def test_explain_keeps_another_accounts_policies_to_itself(house: House) -> None:
    other = second_account(house)
    iam, name = house.client(other, "iam"), fresh("guest")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    secret = document(
        may("kms:Decrypt", Sid="HomeSecret", Condition={"StringEquals": {"aws:PrincipalTag/x": "HomeSecret"}})
    )
    iam.put_user_policy(UserName=name, PolicyName="HomeSecret", PolicyDocument=secret)
    key = house.key(to(OTHER) | {"Sid": "OurSecret"})
    question = {
        "principal": arn,
        "operation": "Decrypt",
        "key": key,
        "conditions": {"aws:PrincipalTag/x": "HomeSecret"},
    }
    for who, foreign in ((house.installation.credentials(), "#HomeSecret"), (other, "OurSecret")):
        status, text = asked(house, who, "/v1/explain", question)
        assert status == 200
        assert json.loads(text)["effect"] == "left", "each side is told its own"
        assert foreign not in text


def test_explain_tells_what_was_decided_now_and_then(house: House) -> None:
    name, arn, _ = house.user("asked")
    key = house.key()

    def explained(*more: str) -> dict[str, Any]:
        command = ("explain", "--principal", arn, "--operation", "Decrypt", "--key", key, *more)
        return dict(house.installation.answers(*command)[0])

    before = explained()
    assert (before["effect"], before["by"]["rule"]) == ("deny", "no-identity-policy-allows")
    then = f"@{before['position']}"
    only = may("kms:Decrypt", Condition={"StringEquals": {"kms:EncryptionContext:app": "pay"}})
    house.iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=document(only))
    near = explained()
    assert near["near"]["condition"]["key"] == "kms:EncryptionContext:app"
    now = explained("--context", "app=pay")
    assert (now["effect"], now["kind"]) == ("allow", "identity-policy")
    assert now["delegation"]["kind"] == "key-policy"
    assert explained("--context", "app=pay", "--at", then)["effect"] == "deny"
    command = ("explain", "--principal", arn, "--operation", "Decrypt", "--key", key, "--context", "app=x")
    tree = house.installation.keytrail(*command).stdout
    assert "StringEquals" in tree
    assert "app" in tree
