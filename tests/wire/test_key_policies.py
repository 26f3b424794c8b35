"""The key policy that the console makes, over the wire: the same bytes as on the command line, for every caller who signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.crypto.specs import SPECS, SYMMETRIC_DEFAULT
from domain.policy.default import default_key_policy
from tests.cli.replay import typed
from tests.installation import Installation
from tests.wire.test_audit_api import get

OURS, THEIRS = "111122223333", "444455556666"
ADMINISTRATOR, USER = f"arn:aws:iam::{OURS}:role/keys", f"arn:aws:iam::{OURS}:user/bob"


def ask(
    installation: Installation, verb: str, credentials: dict[str, str] | None = None, **body: Any
) -> tuple[int, Any]:
    return get(installation, f"/v1/key-policies/{verb}", credentials, "POST", json.dumps(body).encode())


def made(installation: Installation, **body: Any) -> str:
    status, answer = ask(installation, "make", **body)
    assert status == 200, answer
    return str(answer["policy"])


def printed(installation: Installation, *arguments: str) -> str:
    done = installation.keytrail(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.removesuffix("\n")


def test_the_route_and_the_command_make_the_same_bytes_for_every_kind_of_key(installation: Installation) -> None:
    kms = installation.client()
    body = {"administrators": [ADMINISTRATOR], "users": [USER], "accounts": [THEIRS]}
    options = ("--administrator", ADMINISTRATOR, "--user", USER, "--other-account", THEIRS)
    for spec in ("SYMMETRIC_DEFAULT", "RSA_2048", "ECC_NIST_P256", "HMAC_256", "ML_DSA_44", "ML_KEM_768"):
        for usage in SPECS[spec].usages:
            policy = made(installation, spec=spec, usage=usage, **body)
            assert printed(installation, "make-policy", "--spec", spec, "--usage", usage, *options) == policy
            key = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
            installation.caught_up()
            assert printed(installation, "make-policy", "--key", key, *options) == policy
    external = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    installation.caught_up()
    imported = made(installation, origin="EXTERNAL", may_delete=False, **body)
    assert printed(installation, "make-policy", "--key", external, "--no-deletion", *options) == imported
    assert "kms:ImportKeyMaterial" in imported
    assert "kms:ScheduleKeyDeletion" not in imported
    assert printed(installation, "make-policy") == made(installation)
    (compact,) = installation.answers("make-policy", *options)
    assert compact == json.loads(made(installation, **body))


def test_a_policy_is_made_put_read_and_changed(installation: Installation, tmp_path: Path) -> None:
    kms, iam, name = installation.client(), installation.client(service="iam"), uuid4().hex[:8]
    first, second = (iam.create_user(UserName=f"{each}-{name}")["User"]["Arn"] for each in ("first", "second"))
    policy = made(installation, administrators=[first], users=[first, second])
    key = kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"]
    in_force = kms.get_key_policy(KeyId=key)["Policy"]
    assert in_force == policy, "the log keeps the text as it was put"
    status, found = ask(installation, "read", policy=in_force)
    assert (status, found) == (
        200,
        {
            "shown": True, "account": OURS, "administrators": [first], "users": [first, second], "accounts": [],
            "may_delete": True, "beside": [], "why": None, "sid": None, "statement": None,
        },
    )  # fmt: skip
    status, changed = ask(installation, "change", policy=policy, users=[second], accounts=[THEIRS], may_delete=False)
    assert status == 200
    file = tmp_path / "policy.json"
    file.write_text(policy)
    options = ("--remove-user", first, "--add-account", THEIRS, "--no-deletion")
    assert typed(["change-policy", str(file), *options], None) == (0, f"{changed['policy']}\n")
    expected = made(installation, administrators=[first], users=[second], accounts=[THEIRS], may_delete=False)
    assert changed["policy"] == expected
    kms.put_key_policy(KeyId=key, Policy=changed["policy"])
    code, shown = typed(["read-policy", str(file), "--json"], None)
    assert (code, json.loads(shown)) == (0, found)


def test_a_policy_in_another_form_says_why(installation: Installation, tmp_path: Path) -> None:
    document = json.loads(default_key_policy(OURS))
    document["Statement"].append({"Sid": "Allow use of the key", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"})  # fmt: skip
    text = json.dumps(document)
    why = 'The policy is not in the form that the console makes: its effect is Deny (statement 2, "Allow use of the key").'
    status, found = ask(installation, "read", policy=text)
    assert (status, found["shown"], found["why"]) == (200, False, why)
    assert (found["sid"], found["statement"]) == ("Allow use of the key", 2)
    status, refused = ask(installation, "change", policy=text, users=[USER])
    assert (status, refused["error"]) == (400, {"code": "ValidationException", "message": why})
    file = tmp_path / "policy.json"
    file.write_text(text)
    assert typed(["read-policy", str(file)], None) == (1, f"{why}\n")
    code, told = typed(["change-policy", str(file), "--add-user", USER], None)
    assert (code, told) == (2, f"error: {file}: {why}\n")


MANY = [f"arn:aws:iam::{OURS}:role/{'r' * 60}{number}" for number in range(300)]
DEFAULT = default_key_policy(OURS)


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("make", [], "ValidationException"),
        ("make", {"spec": "DES_56"}, "ValidationException"),
        ("make", {"spec": "RSA_2048"}, "ValidationException"),
        ("make", {"spec": "HMAC_256", "usage": "SIGN_VERIFY"}, "ValidationException"),
        ("make", {"origin": "AWS_CLOUDHSM"}, "ValidationException"),
        ("make", {"account": THEIRS}, "ValidationException"),
        ("make", {"administrators": ADMINISTRATOR}, "ValidationException"),
        ("make", {"administrators": [5]}, "ValidationException"),
        ("make", {"administrators": ["bob"]}, "ValidationException"),
        ("make", {"users": [f"arn:aws:iam::{THEIRS}:user/dora"]}, "ValidationException"),
        ("make", {"users": [USER, USER]}, "ValidationException"),
        ("make", {"accounts": [OURS]}, "ValidationException"),
        ("make", {"accounts": [444455556666]}, "ValidationException"),
        ("make", {"may_delete": "yes"}, "ValidationException"),
        ("make", {"users": MANY}, "LimitExceededException"),
        ("read", {}, "ValidationException"),
        ("read", {"policy": ""}, "ValidationException"),
        ("read", {"policy": {}}, "ValidationException"),
        ("read", {"policy": "{}"}, "MalformedPolicyDocumentException"),
        ("read", {"policy": "[" * 5000}, "MalformedPolicyDocumentException"),
        ("read", {"policy": " " * 32_769}, "LimitExceededException"),
        ("change", {"users": [USER]}, "ValidationException"),
        ("change", {"policy": DEFAULT, "may_delete": True}, "ValidationException"),
        ("change", {"policy": DEFAULT, "users": [USER], "spec": "RSA_2048"}, "ValidationException"),
        ("change", {"policy": DEFAULT, "users": MANY}, "LimitExceededException"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(
    installation: Installation, verb: str, body: Any, code: str
) -> None:
    status, answer = get(installation, f"/v1/key-policies/{verb}", None, "POST", json.dumps(body).encode())
    assert (status, answer["error"]["code"]) == (400, code), answer
    assert answer["error"]["message"]


def test_whoever_signs_may_ask_and_nobody_else(installation: Installation) -> None:
    """A user without any permission gets the answer, for the user's own account. A wrong signature gets none."""
    iam, name = installation.client(service="iam"), f"nobody-{uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    given = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    assert get(installation, "/v1/keys", given)[0] == 403
    status, answer = ask(installation, "make", given, users=[USER])
    assert (status, answer["policy"]) == (200, made(installation, users=[USER]))
    for verb in ("make", "read", "change"):
        status, refused = ask(installation, verb, given | {"AWS_SECRET_ACCESS_KEY": "wrong"}, policy=DEFAULT)
        assert (status, "policy" in refused) == (403, False)


def test_the_commands_refuse_what_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(DEFAULT)
    for command, words in (
        ("make-policy --user bob", "bob cannot be a key user"),
        ("make-policy --spec RSA_2048", "ENCRYPT_DECRYPT or SIGN_VERIFY"),
        ("make-policy --origin AWS_CLOUDHSM", "AWS_KMS or EXTERNAL"),
        ("make-policy --account 12", "twelve digits"),
        (f"make-policy --key alias/x --spec {SYMMETRIC_DEFAULT}", "leave out --spec"),
        ("change-policy FILE --deletion --no-deletion", "exclude each other"),
        ("change-policy FILE --deletion", "no key administrators"),
        (f"change-policy FILE --remove-user {USER}", f"{USER} is not a key user in this policy"),
        ("read-policy MISSING", "cannot be read"),
    ):
        places = {"FILE": str(file), "MISSING": str(tmp_path / "missing")}
        code, told = typed([places.get(each, each) for each in command.split()], None)
        assert (code, told.count("\n"), words in told) == (2, 1, True), told
        assert told.startswith("error: ")


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_policy_that_nothing_changes_is_printed_as_it_is(end: str, tmp_path: Path) -> None:
    file, text = tmp_path / "policy.json", DEFAULT.replace('"Id"', '   "Id"')
    file.write_text(text + end)
    assert typed(["change-policy", str(file)], None) == (0, f"{text}\n")
    assert typed(["change-policy", str(file)], 80) == (0, f"{text}\n")
