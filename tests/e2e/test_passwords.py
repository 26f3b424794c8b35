"""Users with passwords, from CreateLoginProfile to a console session that ends with the password (IAM user guide,
id_credentials_passwords)."""

from __future__ import annotations

import csv
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.e2e.test_mfa import Device, refused
from tests.installation import KEYTRAIL, Installation, clean_environment, eventually
from tests.sign_in import ACCOUNT, let_in, refused_as, sign_in

FIRST, SECOND, THIRD = "correct Horse 1", "battery Staple 2", "tr0ub4dor & Three"


@pytest.fixture(scope="module")
def iam(installation: Installation) -> Any:
    """With the account's password policy of other tests removed."""
    client = installation.client(service="iam")
    with suppress(client.exceptions.NoSuchEntityException):
        client.delete_account_password_policy()
    return client


def person(iam: Any, **profile: Any) -> str:
    """The name of a new user with the password FIRST."""
    name = f"person-{uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    iam.create_login_profile(UserName=name, Password=FIRST, **profile)
    return name


def who(installation: Installation, credentials: dict[str, str]) -> str:
    return str(installation.client(credentials, service="sts").get_caller_identity()["Arn"])


def has_ended(installation: Installation, credentials: dict[str, str]) -> bool:
    try:
        who(installation, credentials)
    except ClientError as fault:
        return "console session has ended" in str(fault)
    return False


def test_the_whole_life_of_a_login_profile(iam: Any, installation: Installation) -> None:
    name = person(iam)
    shown = iam.get_login_profile(UserName=name)["LoginProfile"]
    assert shown["UserName"] == name
    assert shown["PasswordResetRequired"] is False
    refused(iam.create_login_profile, "EntityAlreadyExists", UserName=name, Password=SECOND)
    nobody = f"person-{uuid4().hex[:8]}"
    iam.create_user(UserName=nobody)
    refused(iam.create_login_profile, "ValidationError", UserName=nobody)
    refused(iam.get_login_profile, "NoSuchEntity", UserName=nobody)
    assert who(installation, let_in(sign_in(installation, name, FIRST))).endswith(f"user/{name}")
    iam.update_login_profile(UserName=name, Password=SECOND)
    assert refused_as(sign_in(installation, name, FIRST)) == "AccessDeniedException"
    let_in(sign_in(installation, name, SECOND))
    refused(iam.delete_user, "DeleteConflict", "login profile", UserName=name)
    iam.delete_login_profile(UserName=name)
    refused(iam.get_login_profile, "NoSuchEntity", UserName=name)
    refused(iam.update_login_profile, "NoSuchEntity", UserName=name, Password=SECOND)
    assert refused_as(sign_in(installation, name, SECOND)) == "AccessDeniedException"
    iam.delete_user(UserName=name)


def test_a_user_who_has_to_chooses_another_password_at_the_first_use(iam: Any, installation: Installation) -> None:
    """No policy lets this user change the password: whoever has to may."""
    name = person(iam, PasswordResetRequired=True)
    assert refused_as(sign_in(installation, name, FIRST)) == "NewPasswordRequired"
    assert refused_as(sign_in(installation, name, FIRST, new_password="short")) == "PasswordPolicyViolation"
    assert refused_as(sign_in(installation, name, SECOND, new_password=THIRD)) == "AccessDeniedException"
    assert refused_as(sign_in(installation, name, FIRST, new_password=FIRST)) == "PasswordPolicyViolation"
    let_in(sign_in(installation, name, FIRST, new_password=SECOND))
    assert iam.get_login_profile(UserName=name)["LoginProfile"]["PasswordResetRequired"] is False
    let_in(sign_in(installation, name, SECOND))


def test_a_session_ends_when_the_password_the_device_or_the_profile_changes(
    iam: Any, installation: Installation
) -> None:
    name = person(iam)

    def session(**more: Any) -> dict[str, str]:
        return let_in(sign_in(installation, name, FIRST, **more))

    held = session()
    iam.update_login_profile(UserName=name, Password=FIRST)
    eventually(lambda: has_ended(installation, held), within=1)
    held = session()
    iam.update_login_profile(UserName=name, PasswordResetRequired=False)
    eventually(lambda: has_ended(installation, held), within=1)
    held = session()
    device = Device(iam, name)
    device.give(name)
    eventually(lambda: has_ended(installation, held), within=1)
    assert refused_as(sign_in(installation, name, FIRST)) == "MfaCodeRequired"
    held = session(code=device.code())
    iam.deactivate_mfa_device(UserName=name, SerialNumber=device.serial)
    eventually(lambda: has_ended(installation, held), within=1)
    held = session()
    iam.delete_login_profile(UserName=name)
    eventually(lambda: has_ended(installation, held), within=1)


def test_a_device_asks_for_its_code_and_a_condition_knows_of_it(iam: Any, installation: Installation) -> None:
    name = person(iam)
    only_with_code = {
        "Effect": "Allow",
        "Action": "iam:ListUsers",
        "Resource": "*",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [only_with_code]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    without = installation.client(let_in(sign_in(installation, name, FIRST)), service="iam")
    refused(without.list_users, "AccessDenied")
    device = Device(iam, name)
    device.give(name)
    assert refused_as(sign_in(installation, name, FIRST)) == "MfaCodeRequired"
    assert refused_as(sign_in(installation, name, SECOND, code=device.code())) == "AccessDeniedException"
    shown = device.code()
    wrong = f"{(int(shown) + 1) % 1_000_000:06}"
    assert refused_as(sign_in(installation, name, FIRST, code=wrong)) == "AccessDeniedException"
    held = installation.client(let_in(sign_in(installation, name, FIRST, code=shown)), service="iam")
    assert held.list_users()["Users"]
    assert refused_as(sign_in(installation, name, FIRST, code=shown)) == "AccessDeniedException"


def test_of_two_new_passwords_at_once_one_counts(iam: Any, installation: Installation) -> None:
    """The other command comes to the writer after its session has ended; the recheck after all tests agrees with that."""
    name = person(iam, PasswordResetRequired=True)
    with ThreadPoolExecutor(4) as pool:
        tried = {
            new: pool.submit(sign_in, installation, name, FIRST, new_password=new)
            for new in (SECOND, THIRD, f"{SECOND}!", f"{THIRD}!")
        }
    (right,) = [new for new, answer in tried.items() if answer.result()[0] == 200]
    assert {refused_as(tried[new].result()) for new in tried if new != right} <= {
        "UnrecognizedClientException",
        "AccessDeniedException",
    }
    let_in(sign_in(installation, name, right))


def test_an_own_password_is_changed_where_a_policy_allows_it(iam: Any, installation: Installation) -> None:
    name = person(iam)
    held = installation.client(let_in(sign_in(installation, name, FIRST)), service="iam")
    refused(held.change_password, "AccessDenied", OldPassword=FIRST, NewPassword=SECOND)
    statement = {"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    refused(held.change_password, "AccessDenied", "old password", OldPassword=SECOND, NewPassword=THIRD)
    refused(held.change_password, "PasswordPolicyViolation", "length", OldPassword=FIRST, NewPassword="aB1!")
    held.change_password(OldPassword=FIRST, NewPassword=SECOND)
    let_in(sign_in(installation, name, SECOND))
    refused(iam.change_password, "InvalidUserType", OldPassword=SECOND, NewPassword=THIRD)


def test_the_credential_report_knows_passwords(iam: Any, installation: Installation) -> None:
    name, idle = person(iam), person(iam)
    let_in(sign_in(installation, name, FIRST))
    installation.caught_up()
    report = iam.get_credential_report()["Content"].decode()
    rows = {row["user"]: row for row in csv.DictReader(report.splitlines())}
    assert rows[name]["password_enabled"] == rows[idle]["password_enabled"] == "true"
    assert rows[idle]["password_last_used"] == "no_information"
    assert rows[name]["password_last_used"] >= rows[name]["password_last_changed"] >= rows[name]["user_creation_time"]


def test_a_user_is_shown_with_the_last_use_of_a_password(iam: Any, installation: Installation) -> None:
    name, idle = person(iam), person(iam)
    held = installation.client(let_in(sign_in(installation, name, FIRST)), service="iam")
    statement = {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    sign_in(installation, idle, SECOND)
    installation.caught_up()
    shown = iam.get_user(UserName=name)["User"]
    assert shown["PasswordLastUsed"] >= shown["CreateDate"]
    assert held.get_user()["User"] == shown
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2})
    listed = {each["UserName"]: each.get("PasswordLastUsed") for page in pages for each in page["Users"]}
    assert (listed[name], listed[idle]) == (shown["PasswordLastUsed"], None)
    assert "PasswordLastUsed" not in iam.get_user()["User"], "the root's"
    # "if the user had one in the past, this field contains the date and time the most recent password was used"
    iam.delete_login_profile(UserName=name)
    assert iam.get_user(UserName=name)["User"] == shown
    # Another user with the same name did not sign in.
    iam.delete_user_policy(UserName=name, PolicyName="own")
    iam.delete_user(UserName=name)
    iam.create_user(UserName=name)
    assert "PasswordLastUsed" not in iam.get_user(UserName=name)["User"]


def test_a_shell_gets_credentials_by_the_command(iam: Any, installation: Installation) -> None:
    name = person(iam, PasswordResetRequired=True)
    device = Device(iam, name)
    device.give(name)
    command = [str(KEYTRAIL), "sign-in", "--account", ACCOUNT, "--user", name]
    environment = clean_environment() | {"AWS_ENDPOINT_URL": installation.url}

    def run(*lines: str, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        given = "".join(f"{line}\n" for line in lines)
        return subprocess.run(
            [*command, *more], env=environment, input=given, text=True, capture_output=True, check=False
        )

    assert "nothing was given" in run(FIRST).stderr
    assert "minimum length" in run(FIRST, "short").stderr
    assert "incorrect" in run(THIRD).stderr
    done = run(FIRST, SECOND, device.code())
    assert done.returncode == 0, done.stderr
    script = f"{done.stdout}\naws sts get-caller-identity --query Arn --output text"
    path = {"PATH": f"{KEYTRAIL.parent}:/usr/bin:/bin"}
    found = subprocess.run(["sh", "-ec", script], env=environment | path, text=True, capture_output=True, check=True)
    assert found.stdout.strip().endswith(f"user/{name}")
    iam.deactivate_mfa_device(UserName=name, SerialNumber=device.serial)
    printed = json.loads(run(SECOND, more=("--json",)).stdout)
    assert printed.keys() == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}


def test_attempts_are_on_record_and_a_name_that_is_no_users_is_not(iam: Any, installation: Installation) -> None:
    name, slip = person(iam), f"My-{uuid4().hex}"
    sign_in(installation, name, SECOND)
    sign_in(installation, slip, SECOND)
    let_in(sign_in(installation, name, FIRST))
    installation.caught_up()
    found = installation.answers("decisions", "--operation", "ConsoleLogin", "--limit", "50")
    mine = [each for each in found if each["principal"].endswith(f"/{name}")]
    assert sorted(each["effect"] for each in mine) == ["allowed", "refused"]
    assert any(each["principal"] == "HIDDEN_DUE_TO_SECURITY_REASONS" for each in found)
    assert slip not in json.dumps(found)
