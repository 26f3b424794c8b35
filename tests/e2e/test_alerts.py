"""Alerts on the real broker: a real call raises each rule once, and its allow-listed twin is suppressed.

Two workers share four partitions of decisions. What they raise is what the rules find in history.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from domain.alerts.rule import OnHealth
from domain.alerts.rules.table import RULES
from services.cli.client import Client
from tests.e2e.test_mfa import Device
from tests.installation import KEYTRAIL, Installation, eventually
from tests.sign_in import sign_in

ACCOUNT, OTHER, UNKNOWN, PARTNER = "111122223333", "444455556666", "777788889999", "888877776666"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
SETTINGS = f"""
[rules.first-use]
age = 0

[[allow]]
rule = "*"
tag = "twin=yes"
reason = "the twin of a test"
expires = 2999-01-01

[[allow]]
rule = "*"
principal = "arn:aws:iam::{ACCOUNT}:*/twin-*"
reason = "the twin of a test"
expires = 2999-01-01

[[allow]]
rule = "*"
principal = "127.0.8.2"
reason = "the twin of a test"
expires = 2999-01-01

[[allow]]
rule = "*"
principal = "arn:aws:iam::{PARTNER}:*"
reason = "a partner's account"
expires = 2999-01-01

[[allow]]
rule = "root-used"
principal = "arn:aws:iam::{OTHER}:root"
reason = "the twin of a test"
expires = 2999-01-01
"""
NAMES = count(1)
UPDATES_POLICIES = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iam:*AccountPasswordPolicy", "Resource": "*"}],
}
ROOTED = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}


def allow(principal: Any, *actions: str, **more: Any) -> dict[str, Any]:
    named = principal if isinstance(principal, dict) or principal == "*" else {"AWS": principal}
    return {"Effect": "Allow", "Principal": named, "Action": list(actions), "Resource": "*"} | more


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass
class Scene:
    """One way to raise an alert, or its twin. `about` identifies the alert: a key's id, or a part of its subject."""

    installation: Installation
    kms: Any
    iam: Any
    other: dict[str, str]
    twin: bool
    about: str = ""

    def name(self, what: str) -> str:
        return f"{'twin-' if self.twin else 'one-'}{what}-{next(NAMES)}"

    def key(self, *statements: dict[str, Any], about: bool = True, **more: Any) -> str:
        tags = [{"TagKey": "twin", "TagValue": "yes"}] if self.twin else []
        policy = {"Policy": document(*statements)} if statements else {}
        made: str = self.kms.create_key(Tags=tags, **policy, **more)["KeyMetadata"]["KeyId"]
        if about:
            self.about = made
        return made

    def put(self, key: str, *statements: dict[str, Any], **more: Any) -> None:
        self.kms.put_key_policy(KeyId=key, Policy=document(*statements), **more)

    def user(self, what: str = "user", *actions: str) -> str:
        """The ARN of a new user who may do this on every tagged key that lets identity policies decide."""
        name = self.name(what)
        arn: str = self.iam.create_user(UserName=name)["User"]["Arn"]
        if actions:
            # only keys with a tag, so that it is not a policy for every key
            only = (
                {"StringLike": {"aws:ResourceTag/twin": "*"}}
                if self.twin
                else {"Null": {"aws:ResourceTag/twin": "true"}}
            )
            policy = {"Effect": "Allow", "Action": list(actions), "Resource": "*", "Condition": only}
            self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(policy))
        return arn

    def client(self, arn: str) -> Any:
        """The user's own client. `access_key` is its access key."""
        made = self.iam.create_access_key(UserName=arn.rpartition("/")[2])["AccessKey"]
        self.access_key = made["AccessKeyId"]
        self.credentials = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
        return self.installation.client(self.credentials)

    def imported(self, **expires: Any) -> str:
        key = self.key(Origin="EXTERNAL")
        given = self.kms.get_parameters_for_import(
            KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
        )
        public: Any = load_der_public_key(given["PublicKey"])
        wrapped = public.encrypt(b"m" * 32, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        model = expires or {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
        self.kms.import_key_material(KeyId=key, ImportToken=given["ImportToken"], EncryptedKeyMaterial=wrapped, **model)
        return key


def refused(call: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError, match=r"AccessDenied|UnrecognizedClient"):
        call(**arguments)


def public(scene: Scene) -> None:
    scene.put(scene.key(), ROOTED, allow("*", "kms:Decrypt"))


def account(scene: Scene, other: str) -> None:
    scene.put(scene.key(), ROOTED, allow(f"arn:aws:iam::{other}:root", "kms:Decrypt"))


def service(scene: Scene) -> None:
    scene.put(scene.key(), ROOTED, allow({"Service": "logs.amazonaws.com"}, "kms:Decrypt"))


def decrypt(scene: Scene) -> None:
    scene.put(scene.key(), ROOTED, allow(scene.user(), "kms:Decrypt"))


def delegated(scene: Scene) -> None:
    scene.put(scene.key(allow(ROOT, "kms:PutKeyPolicy", "kms:TagResource")), ROOTED)


def administrator(scene: Scene) -> None:
    scene.put(scene.key(), ROOTED, allow(scene.user(), "kms:PutKeyPolicy"))


def both(scene: Scene) -> None:
    scene.put(scene.key(), ROOTED, allow(scene.user(), "kms:PutKeyPolicy", "kms:Decrypt"))


def root_removed(scene: Scene) -> None:
    scene.put(scene.key(), allow(scene.user(), "kms:*"), BypassPolicyLockoutSafetyCheck=True)


def deny_dropped(scene: Scene) -> None:
    scene.put(scene.key(ROOTED, allow(scene.user(), "kms:Decrypt", Effect="Deny")), ROOTED)


def loosened(scene: Scene) -> None:
    user = scene.user()
    only = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    scene.put(scene.key(ROOTED, allow(user, "kms:Decrypt", Condition=only)), ROOTED, allow(user, "kms:Decrypt"))


def dead_statement(scene: Scene) -> None:
    scene.put(scene.key(), ROOTED, allow(ROOT, "kms:CreateKey"))


def returned(scene: Scene) -> None:
    user = scene.user()
    open_one = (ROOTED, allow(user, "kms:Decrypt"))
    key = scene.key(*open_one)
    scene.put(key, ROOTED)
    scene.put(key, *reversed(open_one))


def unclear(scene: Scene) -> None:
    parts = [{f"aws:PrincipalTag/t{each}": "a", f"kms:EncryptionContext:t{each}": "b"} for each in range(14)]
    scene.put(scene.key(), ROOTED, *(allow("*", "kms:Decrypt", Condition={"StringEquals": each}) for each in parts))


def grant(scene: Scene, to: str, *operations: str, **more: Any) -> Any:
    return scene.kms.create_grant(KeyId=scene.about, GranteePrincipal=to, Operations=list(operations), **more)


def granted(to: str, *operations: str, **more: Any) -> Callable[[Scene], None]:
    def run(scene: Scene) -> None:
        scene.key()
        grant(scene, to or scene.user(), *operations, **more)

    return run


def gives_back(scene: Scene) -> None:
    user = scene.user()
    key = scene.key(ROOTED, allow(user, "kms:Decrypt"))
    scene.put(key, ROOTED)
    grant(scene, user, "Decrypt")


def grants_many(scene: Scene) -> None:
    user = scene.user("granter", "kms:CreateGrant")
    client = scene.client(user)
    for _ in range(12):
        key = scene.key()
        client.create_grant(KeyId=key, GranteePrincipal=ROOT, Operations=["DescribeKey"])
    scene.about = user


def ended_by_stranger(scene: Scene) -> None:
    client = scene.client(scene.user("ender", "kms:RevokeGrant"))
    key = scene.key()
    client.revoke_grant(KeyId=key, GrantId=grant(scene, ROOT, "DescribeKey")["GrantId"])


def deletion(scene: Scene) -> None:
    key = scene.key()
    scene.kms.encrypt(KeyId=key, Plaintext=b"x")
    scene.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    scene.kms.cancel_key_deletion(KeyId=key)


def disabled(scene: Scene) -> None:
    key = scene.key()
    scene.kms.encrypt(KeyId=key, Plaintext=b"x")
    scene.kms.disable_key(KeyId=key)


def rotation(scene: Scene) -> None:
    key = scene.key()
    scene.kms.enable_key_rotation(KeyId=key)
    scene.kms.disable_key_rotation(KeyId=key)


def material_deleted(scene: Scene) -> None:
    scene.kms.delete_imported_key_material(KeyId=scene.imported())


def material_expiring(scene: Scene) -> None:
    scene.imported(ValidTo=datetime.now(UTC) + timedelta(days=3), ExpirationModel="KEY_MATERIAL_EXPIRES")


def alias_moved(scene: Scene) -> None:
    alias = f"alias/{scene.name('a')}"
    scene.kms.create_alias(AliasName=alias, TargetKeyId=scene.key())
    scene.kms.update_alias(AliasName=alias, TargetKeyId=scene.key())


def tagged(scene: Scene) -> None:
    """Its twin is covered by who did it, and not by the tag that it is about."""
    author = scene.user("tagger")
    owner = {"Effect": "Allow", "Principal": {"AWS": author}, "Action": "kms:TagResource", "Resource": "*"}
    made = scene.kms.create_key(Policy=document(ROOTED, owner))["KeyMetadata"]["KeyId"]
    scene.client(author).tag_resource(KeyId=made, Tags=[{"TagKey": "twin", "TagValue": "yes"}])
    scene.about = made


def wide(scene: Scene) -> None:
    user = scene.about = scene.user("wide")
    policy = document({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
    scene.iam.put_user_policy(UserName=user.rpartition("/")[2], PolicyName="p", PolicyDocument=policy)


def trust(scene: Scene) -> None:
    who = f"arn:aws:iam::{PARTNER if scene.twin else OTHER}:root"
    text = document({"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"})
    scene.about = scene.iam.create_role(RoleName=scene.name("role"), AssumeRolePolicyDocument=text)["Role"]["Arn"]


def web_trust(scene: Scene) -> None:
    who = f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com"
    text = document({"Effect": "Allow", "Principal": {"Federated": who}, "Action": "sts:AssumeRoleWithWebIdentity"})
    scene.about = scene.iam.create_role(RoleName=scene.name("web"), AssumeRolePolicyDocument=text)["Role"]["Arn"]


def provider(scene: Scene) -> None:
    url = f"https://{scene.name('idp')}.example.com"
    scene.about = scene.iam.create_open_id_connect_provider(Url=url)["OpenIDConnectProviderArn"]


def boundary(scene: Scene) -> None:
    user = scene.about = scene.user("bound")
    text = document({"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"})
    policy = scene.iam.create_policy(PolicyName=scene.name("limit"), PolicyDocument=text)["Policy"]["Arn"]
    name = user.rpartition("/")[2]
    scene.iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=policy)
    scene.iam.delete_user_permissions_boundary(UserName=name)


def mfa_removed(scene: Scene) -> None:
    user = scene.about = scene.user("phone")
    name = user.rpartition("/")[2]
    phone = Device(scene.iam, name)
    phone.give(name)
    scene.iam.deactivate_mfa_device(UserName=name, SerialNumber=phone.serial)


def password_set(scene: Scene) -> None:
    user = scene.about = scene.user("pass")
    scene.iam.create_login_profile(UserName=user.rpartition("/")[2], Password="correct Horse 1")


def key_made(scene: Scene) -> None:
    scene.about = scene.user("keyed")
    scene.client(scene.about)


def policy_loosened(scene: Scene) -> None:
    """Whose policy is loosened says nothing of the scene, so its twin's author does."""
    author = scene.user("policy")
    scene.iam.put_user_policy(
        UserName=author.rpartition("/")[2],
        PolicyName="p",
        PolicyDocument=json.dumps(UPDATES_POLICIES),
    )
    scene.client(author)
    iam = scene.installation.client(scene.credentials, service="iam")
    kinds = ("RequireSymbols", "RequireNumbers", "RequireUppercaseCharacters", "RequireLowercaseCharacters")
    iam.update_account_password_policy(MinimumPasswordLength=14, **dict.fromkeys(kinds, True))
    iam.delete_account_password_policy()
    scene.about = author


def sign_ins_at_user(scene: Scene) -> None:
    user = scene.about = scene.user("guess")
    name = user.rpartition("/")[2]
    scene.iam.create_login_profile(UserName=name, Password="correct Horse 1", PasswordResetRequired=True)
    _not_at_the_end_of_a_window()
    for address in range(6):
        sign_in(scene.installation, name, "a guess", f"127.0.7.{1 + address}")


def sign_ins_from_address(scene: Scene) -> None:
    scene.about = "127.0.8.2" if scene.twin else "127.0.8.1"
    _not_at_the_end_of_a_window()
    for guess in range(12):
        sign_in(scene.installation, scene.name(f"nobody-{guess}"), "a guess", scene.about)


def _not_at_the_end_of_a_window() -> None:
    """A window of ten minutes that is about to end would cut the attempts in two."""
    eventually(lambda: datetime.now(UTC).minute % 10 < 9 or datetime.now(UTC).second < 50)


def tried(keys: int, times: int) -> Callable[[Scene], None]:
    def run(scene: Scene) -> None:
        user = scene.user("trier")
        client = scene.client(user)
        ids = [scene.key() for _ in range(keys)]
        # A window that is about to end would cut the burst in two.
        eventually(lambda: datetime.now(UTC).second < 50)
        for each in range(times):
            refused(client.encrypt, KeyId=ids[each % keys], Plaintext=b"x")
        scene.about = user

    return run


def first_use(scene: Scene) -> None:
    user = scene.user("first", "kms:Encrypt")
    key = scene.key()
    client = scene.client(user)
    client.encrypt(KeyId=key, Plaintext=b"x")
    client.encrypt(KeyId=key, Plaintext=b"x")
    scene.about = user


def root_used(scene: Scene) -> None:
    client = scene.installation.client(scene.other) if scene.twin else scene.kms
    client.list_keys()
    scene.about = f"{OTHER if scene.twin else ACCOUNT}:root"


def dead_credential(scene: Scene) -> None:
    user = scene.user("gone")
    client = scene.client(user)
    name = user.rpartition("/")[2]
    scene.iam.update_access_key(UserName=name, AccessKeyId=scene.access_key, Status="Inactive")
    for _ in range(2):
        refused(client.list_keys)
    scene.about = scene.access_key


SCENES: dict[str, Callable[[Scene], None]] = {
    "key-policy-public": public,
    "key-policy-unknown-account": lambda scene: account(scene, UNKNOWN),
    "key-policy-known-account": lambda scene: account(scene, OTHER),
    "key-policy-service": service,
    "key-policy-decrypt": decrypt,
    "key-policy-delegated": delegated,
    "key-policy-administrator": administrator,
    "key-policy-both": both,
    "key-policy-root-removed": root_removed,
    "key-policy-last-administrator": root_removed,
    "key-policy-deny-dropped": deny_dropped,
    "key-policy-loosened": loosened,
    "key-policy-dead-statement": dead_statement,
    "key-policy-lockout": root_removed,
    "key-policy-returned": returned,
    "key-policy-unclear": unclear,
    "grant-outside": granted(f"arn:aws:iam::{OTHER}:root", "Encrypt"),
    "grant-new-access": granted("", "Encrypt"),
    "grant-unconstrained": granted(ROOT, "Decrypt"),
    "grant-may-grant": granted(ROOT, "Encrypt", "CreateGrant"),
    "grant-retiring-outside": granted(ROOT, "Encrypt", RetiringPrincipal=f"arn:aws:iam::{OTHER}:root"),
    "grant-gives-back": gives_back,
    "grants-many": grants_many,
    "grant-ended-by-stranger": ended_by_stranger,
    "deletion-scheduled": deletion,
    "deletion-shortest": deletion,
    "deletion-in-use": deletion,
    "deletion-cancelled": deletion,
    "disabled-in-use": disabled,
    "rotation-disabled": rotation,
    "material-deleted": material_deleted,
    "material-expiring": material_expiring,
    "alias-moved": alias_moved,
    "allowed-by-tag": tagged,
    "identity-wide": wide,
    "role-trust-outside": trust,
    "role-trust-any-subject": web_trust,
    "oidc-provider-registered": provider,
    "boundary-removed": boundary,
    "mfa-device-removed": mfa_removed,
    "password-set-for-other": password_set,
    "access-key-made-for-other": key_made,
    "password-policy-loosened": policy_loosened,
    "sign-ins-at-user": sign_ins_at_user,
    "sign-ins-from-address": sign_ins_from_address,
    "denied-burst": tried(1, 25),
    "enumeration": tried(11, 12),
    "first-use": first_use,
    "root-used": root_used,
    "dead-credential": dead_credential,
}
FAULTS = {
    "root-access-key", "writer-changed", "commands-skipped", "void-records", "chain-broken", "records-lost",
    "alerts-behind", "rule-failed", "recheck-mismatch", "clock-stepped-back", "key-policy-not-principal",
    "notary-stopped", "notary-behind", "witness-away", "material-missing",
}  # fmt: skip
"""Rules that no call raises: tests/faults and tests/domain raise them. Allow with NotPrincipal is refused when it is
put, but stands on older logs and in trails."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("alerts")
    (folder / "alerts.toml").write_text(SETTINGS)
    extra = {
        "KEYTRAIL_ALERTS_FILE": str(folder / "alerts.toml"),
        "KEYTRAIL_ALERT_WORKERS": "2",
        "KEYTRAIL_DECISION_PARTITIONS": "4",
        "KEYTRAIL_CHANGE_RATE": "0",
    }
    with Installation(folder / "data", workers=2, variables=extra) as running:
        yield running


@pytest.fixture(scope="module")
def played(house: Installation) -> dict[tuple[str, bool], Scene]:
    """Every scene and its twin, played once."""
    made = house.answers("account", "create", OTHER)[0]
    other = {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}
    kms, iam = house.client(), house.client(service="iam")
    found: dict[tuple[str, bool], Scene] = {}
    by_function: dict[tuple[Any, bool], Scene] = {}
    for rule, play in SCENES.items():
        for twin in (False, True):
            if (play, twin) not in by_function:
                by_function[play, twin] = scene = Scene(house, kms, iam, other, twin)
                play(scene)
            found[rule, twin] = by_function[play, twin]
    house.judged()
    return found


@pytest.fixture(scope="module")
def raised(house: Installation, played: Any) -> list[dict[str, Any]]:
    own = list(Client(house.data).items("/v1/alerts", suppressed="true"))
    # Only the other account sees its own alert.
    given = played["root-used", True].other | {"AWS_ENDPOINT_URL": house.url}
    lines = house.keytrail_as(given, "alerts", "--suppressed", "--json").stdout.splitlines()
    theirs = [json.loads(line) for line in lines]
    assert {each["account"] for each in theirs} == {OTHER}
    assert OTHER not in {each["account"] for each in own}
    return own + theirs


def of(raised: list[dict[str, Any]], rule: str, scene: Scene) -> list[dict[str, Any]]:
    return [
        each
        for each in raised
        if each["rule"] == rule and (each["key_id"] == scene.about or scene.about in each["subject"] + each["summary"])
    ]


def test_every_rule_is_raised_by_a_call_or_by_a_fault() -> None:
    assert SCENES.keys() | FAULTS == RULES.keys()
    assert not SCENES.keys() & FAULTS


@pytest.mark.parametrize("rule", SCENES)
def test_a_rule_fires_once_and_its_twin_is_suppressed(
    rule: str, played: dict[tuple[str, bool], Scene], raised: list[dict[str, Any]]
) -> None:
    assert [each["suppressed"] for each in of(raised, rule, played[rule, False])] == [None]
    assert [each["suppressed"] is not None for each in of(raised, rule, played[rule, True])] == [True]


def test_no_alert_is_raised_twice(raised: list[dict[str, Any]]) -> None:
    assert set(Counter(each["id"] for each in raised).values()) == {1}


def test_two_workers_raise_what_the_rules_find_in_history(house: Installation, raised: list[dict[str, Any]]) -> None:
    scanned = house.answers("alerts", "scan")
    found = {each["id"]: each for each in scanned}
    of_records = {rule.id for rule in RULES.values() if not isinstance(rule.kind, OnHealth)}
    live = {each["id"] for each in raised if each["rule"] in of_records and each["account"] != OTHER}
    missing = [found[each]["rule"] for each in found.keys() - live]
    assert (missing, live - found.keys()) == ([], set())
    assert all(each["raised"] for each in scanned)


def test_an_alert_says_who_did_what_where_and_what_to_type(house: Installation, raised: list[dict[str, Any]]) -> None:
    """Lists, single alerts, the live stream and notifications all show the same members."""
    told = [each for each in raised if each["source"].get("call") and each["account"] != ""]
    assert {each["rule"] for each in told if "by" not in each} <= {"material-expiring", "key-policy-dead-statement"}
    assert {each["rule"] for each in told if each["call_id"] != each["source"]["call"]} == set()
    public = next(each for each in raised if each["rule"] == "key-policy-public")
    assert (public["by"], public["operation"]) == (ROOT, "PutKeyPolicy")
    assert public["to_version"] == public["from_version"] + 1
    assert public["source"]["offset"] == public["position"]
    shown = house.keytrail("alerts", "show", public["id"]).stdout
    versions = f"policy v{public['from_version']} → v{public['to_version']}"
    assert f"by root, PutKeyPolicy @{public['position']}, {versions}" in shown
    for command in public["commands"]:
        assert f"$ {command}\n" in shown
    # the printed commands work
    for command in public["commands"]:
        words = shlex.split(command)
        if words[0] == "keytrail" and words[1] != "alerts":
            assert house.keytrail(*words[1:], check=False).returncode == (1 if words[1] == "diff" else 0), command
    given = {each["by"] for each in raised if each["account"] == OTHER and "by" in each}
    assert [each for each in given if each.startswith(f"arn:aws:iam::{ACCOUNT}")] == []


def test_an_alerts_life_is_on_the_log(house: Installation, raised: list[dict[str, Any]]) -> None:
    alert = next(each for each in raised if each["rule"] == "key-policy-public" and each["suppressed"] is None)
    assert "is acknowledged" in house.keytrail("alerts", "ack", alert["id"], "--note", "on it").stdout
    assert "is resolved" in house.keytrail("alerts", "resolve", alert["id"], "--note", "put back").stdout
    house.judged()
    shown = house.answers("alerts", "show", alert["id"])[0]
    assert (shown["state"], shown["note"], shown["marked_by"]) == ("resolved", "put back", ROOT)
    assert [each["state"] for each in shown["marks"]] == ["acknowledged", "resolved"]
    assert shown["evidence"]["regions"][0]["witness"]["allowed"]["effect"] == "allow"
    assert shown["do"]
    assert alert["id"] not in {each["id"] for each in house.answers("alerts", "--state", "open")}
    (event,) = house.answers("decisions", "--where", f"position={shown['marks'][0]['position']}")
    assert (event["operation"], event["event_type"]) == ("UpdateAlert", "alert.marked.v1")


def test_who_may_not_reads_and_marks_nothing(house: Installation, raised: list[dict[str, Any]]) -> None:
    given = house.credentials() | {"AWS_ENDPOINT_URL": house.url}
    iam = house.client(service="iam")
    name = f"nobody-{next(NAMES)}"
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    nobody = given | {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    for words in (["alerts"], ["alerts", "resolve", raised[0]["id"]], ["alerts", "scan"]):
        done = house.keytrail_as(nobody, *words)
        assert (done.returncode, "AccessDenied" in done.stderr) == (1, True), (words, done.stderr)


def test_another_accounts_alert_is_not_found(house: Installation, played: Any, raised: list[dict[str, Any]]) -> None:
    given = played["root-used", True].other | {"AWS_ENDPOINT_URL": house.url}
    foreign = next(each for each in raised if each["account"] == ACCOUNT)
    for words in (["alerts", "show", foreign["id"]], ["alerts", "resolve", foreign["id"]]):
        assert "There is no alert" in house.keytrail_as(given, *words).stderr
    assert "Only the first account" in house.keytrail_as(given, "alerts", "notifiers").stderr


def test_alerts_can_be_followed(house: Installation) -> None:
    """From an alert number on, like a client that reconnects: the alerts raised meanwhile come first."""
    kms, newest = house.client(), house.answers("alerts", "--suppressed", "--limit", "1")[0]["number"]
    command = [str(KEYTRAIL), "alerts", "follow", "--json", "--limit", "2", "--rule", "deletion-scheduled"]
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    kms.schedule_key_deletion(KeyId=keys[0], PendingWindowInDays=30)
    with subprocess.Popen(
        [*command, "--after", str(newest), "--data", str(house.data)], stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        first = json.loads(following.stdout.readline())
        kms.schedule_key_deletion(KeyId=keys[1], PendingWindowInDays=30)
        called = time.monotonic()
        second = json.loads(following.stdout.readline())
        taken = time.monotonic() - called
    assert [each["key_id"] for each in (first, second)] == keys
    assert taken < 5, "an operator is told within a second; this machine may be busy"


def test_a_draft_is_judged_before_it_is_put(house: Installation, tmp_path: Path) -> None:
    key = house.client().create_key()["KeyMetadata"]["KeyId"]
    draft = tmp_path / "draft.json"
    draft.write_text(document(ROOTED, allow("*", "kms:Decrypt")))
    for words in (["--key", key], []):
        done = house.keytrail("alerts", "check", "--policy", str(draft), *words, "--json", check=False)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert (done.returncode, [each["rule"] for each in found]) == (1, ["key-policy-public"])
    draft.write_text(document(ROOTED))
    assert house.keytrail("alerts", "check", "--policy", str(draft), "--key", key).stdout == "no rule fires\n"
    draft.write_text("{}")
    assert house.keytrail("alerts", "check", "--policy", str(draft), check=False).returncode == 2


def test_alerts_leave_as_detection_findings(house: Installation, raised: list[dict[str, Any]]) -> None:
    """OCSF 1.3.0, class 2004: its required attributes, and the ids of severity and status."""
    lines = house.keytrail("alerts", "--ocsf", "--rule", "key-policy-public", "--suppressed").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert found
    for each in found:
        assert (each["class_uid"], each["category_uid"]) == (2004, 2)
        assert each["type_uid"] == 200400 + each["activity_id"]
        assert each["severity_id"] == 5
        assert each["finding_info"]["analytic"]["uid"] == "key-policy-public"
        assert {"time", "metadata", "status_id", "message"} <= each.keys()
    assert {each["status"] for each in found} >= {"Suppressed"}


def test_a_session_is_told_of_by_the_arn_of_its_role(house: Installation) -> None:
    """The session's own ARN lacks the role's path. It also ends its own grant, and is no stranger to it."""
    kms, iam = house.client(), house.client(service="iam")
    trusted = document({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=f"app-{next(NAMES)}", Path="/team/", AssumeRolePolicyDocument=trusted)["Role"][
        "Arn"
    ]
    key = kms.create_key(Policy=document(ROOTED, allow(role, "kms:Encrypt")))["KeyMetadata"]["KeyId"]
    grant = kms.create_grant(KeyId=key, GranteePrincipal=ROOT, RetiringPrincipal=role, Operations=["DescribeKey"])
    caller = iam.create_user(UserName=f"caller-{next(NAMES)}")["User"]
    assuming = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
    iam.put_user_policy(UserName=caller["UserName"], PolicyName="p", PolicyDocument=assuming)
    made = iam.create_access_key(UserName=caller["UserName"])["AccessKey"]
    own = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    given = house.client(own, "sts").assume_role(RoleArn=role, RoleSessionName="story")["Credentials"]
    session = house.client({
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    })  # fmt: skip
    session.encrypt(KeyId=key, Plaintext=b"x")
    session.retire_grant(KeyId=key, GrantId=grant["GrantId"])
    house.judged()
    told = [(each["rule"], each["summary"]) for each in house.answers("alerts", "--principal", role, "--key", key)]
    assert told == [("first-use", f"{role} used the key for the first time: Encrypt")]
    assert "grant-ended-by-stranger" not in {each["rule"] for each in house.answers("alerts", "--key", key)}
