"""Virtual MFA devices from their making to a key that is used only with a code (IAM user guide, id_credentials_mfa)."""

from __future__ import annotations

import json
import time
from base64 import b32decode
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from domain.crypto.totp import STEP_SECONDS, code_of
from tests.installation import Installation


@pytest.fixture(scope="module")
def iam(installation: Installation) -> Any:
    return installation.client(service="iam")


class Device:
    """A phone: it shows a code for each step, and here it may be asked for a step to come."""

    def __init__(self, iam: Any, name: str, **parameters: Any) -> None:
        self._iam = iam
        made = iam.create_virtual_mfa_device(VirtualMFADeviceName=name, **parameters)["VirtualMFADevice"]
        self.serial: str = made["SerialNumber"]
        self.picture: bytes = made["QRCodePNG"]
        self.seed: str = made["Base32StringSeed"].decode()
        self._seed = b32decode(self.seed)

    def give(self, user: str) -> None:
        first, second = self.code(-2), self.code(-1)
        self._iam.enable_mfa_device(
            UserName=user, SerialNumber=self.serial, AuthenticationCode1=first, AuthenticationCode2=second
        )

    def code(self, ahead: int = 0) -> str:
        return code_of(self._seed, int(time.time()) // STEP_SECONDS + ahead)


class User:
    def __init__(self, iam: Any, policy: dict[str, Any] | None = None) -> None:
        self.name = f"mfa-{uuid4().hex[:8]}"
        self.arn = iam.create_user(UserName=self.name)["User"]["Arn"]
        if policy is not None:
            iam.put_user_policy(UserName=self.name, PolicyName="p", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=self.name)["AccessKey"]
        self.credentials = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
        self.device = Device(iam, self.name)
        self.device.give(self.name)


def temporary(answer: Any) -> dict[str, str]:
    given = answer["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def refused(call: Callable[..., Any], code: str, says: str = "", **parameters: Any) -> None:
    with pytest.raises(ClientError) as fault:
        call(**parameters)
    assert fault.value.response["Error"]["Code"] == code
    assert says in fault.value.response["Error"]["Message"]


def statement(effect: str, action: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": "*"} | ({"Condition": condition} if condition else {})


def test_a_key_is_used_with_a_code_and_not_without(iam: Any, installation: Installation) -> None:
    user = User(iam)
    kms = installation.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    root = user.arn.replace(f"user/{user.name}", "root")
    with_code = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            statement("Allow", "kms:*") | {"Principal": {"AWS": root}},
            statement("Allow", "kms:Encrypt", with_code) | {"Principal": {"AWS": user.arn}},
        ],
    }
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    sts = installation.client(user.credentials, service="sts")

    def encrypt(credentials: dict[str, str]) -> None:
        installation.client(credentials).encrypt(KeyId=key, Plaintext=b"x")

    refused(encrypt, "AccessDeniedException", credentials=user.credentials)
    refused(encrypt, "AccessDeniedException", credentials=temporary(sts.get_session_token()))
    encrypt(temporary(sts.get_session_token(SerialNumber=user.device.serial, TokenCode=user.device.code())))


def test_a_session_with_a_code_may_call_iam_and_one_without_may_not(iam: Any, installation: Installation) -> None:
    user = User(iam, {"Version": "2012-10-17", "Statement": [statement("Allow", "iam:*")]})
    sts = installation.client(user.credentials, service="sts")
    without = installation.client(temporary(sts.get_session_token()), service="iam")
    refused(without.list_mfa_devices, "AccessDenied", "without MFA")
    answer = sts.get_session_token(SerialNumber=user.device.serial, TokenCode=user.device.code())
    held = installation.client(temporary(answer), service="iam").list_mfa_devices()["MFADevices"]
    assert [each["SerialNumber"] for each in held] == [user.device.serial]


def test_a_role_is_assumed_with_a_code_and_its_sessions_have_none(iam: Any, installation: Installation) -> None:
    user, other = User(iam), User(iam)
    name = f"mfa-{uuid4().hex[:8]}"
    with_code = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": user.arn},
            "Action": "sts:AssumeRole",
            "Condition": with_code,
        },
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [statement("Allow", "kms:ListKeys", with_code)]}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    assume = installation.client(user.credentials, service="sts").assume_role
    asked = {"RoleArn": role, "RoleSessionName": "with-code"}
    refused(assume, "AccessDenied", **asked)
    refused(assume, "AccessDenied", "must provide both", **asked, SerialNumber=user.device.serial)
    others = {"SerialNumber": other.device.serial, "TokenCode": other.device.code()}
    refused(assume, "AccessDenied", "associated with this user", **asked, **others)
    session = temporary(assume(**asked, SerialNumber=user.device.serial, TokenCode=user.device.code()))
    refused(installation.client(session).list_keys, "AccessDeniedException")


def test_a_code_is_good_once_and_six_wrong_ones_are_too_many(iam: Any, installation: Installation) -> None:
    user = User(iam)
    sts = installation.client(user.credentials, service="sts")
    serial, code = user.device.serial, user.device.code()
    sts.get_session_token(SerialNumber=serial, TokenCode=code)
    refused(sts.get_session_token, "AccessDenied", "invalid MFA", SerialNumber=serial, TokenCode=code)
    for _ in range(4):
        refused(sts.get_session_token, "AccessDenied", "invalid MFA", SerialNumber=serial, TokenCode="000000")
    once = installation.client(user.credentials, service="sts", retries={"total_max_attempts": 1})
    refused(once.get_session_token, "Throttling", "Wait a minute", SerialNumber=serial, TokenCode=user.device.code(1))


def test_a_device_from_its_making_to_its_end(iam: Any, installation: Installation) -> None:
    user = User(iam)
    serial = user.device.serial
    assert user.device.picture.startswith(b"\x89PNG")
    listed = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert {each["SerialNumber"]: each["User"]["UserName"] for each in listed}[serial] == user.name
    refused(iam.delete_user, "DeleteConflict", UserName=user.name)
    refused(iam.delete_virtual_mfa_device, "DeleteConflict", SerialNumber=serial)
    codes = {"AuthenticationCode1": user.device.code(), "AuthenticationCode2": user.device.code(1)}
    iam.resync_mfa_device(UserName=user.name, SerialNumber=serial, **codes)
    refused(iam.resync_mfa_device, "InvalidAuthenticationCode", UserName=user.name, SerialNumber=serial, **codes)
    iam.tag_mfa_device(SerialNumber=serial, Tags=[{"Key": "team", "Value": "payments"}])
    assert iam.list_mfa_device_tags(SerialNumber=serial)["Tags"] == [{"Key": "team", "Value": "payments"}]
    iam.untag_mfa_device(SerialNumber=serial, TagKeys=["team"])
    assert iam.list_mfa_device_tags(SerialNumber=serial)["Tags"] == []
    assert iam.get_mfa_device(UserName=user.name, SerialNumber=serial)["UserName"] == user.name
    iam.deactivate_mfa_device(UserName=user.name, SerialNumber=serial)
    assert iam.list_mfa_devices(UserName=user.name)["MFADevices"] == []
    iam.delete_virtual_mfa_device(SerialNumber=serial)
    refused(iam.list_mfa_device_tags, "NoSuchEntity", SerialNumber=serial)


def test_no_record_holds_a_code_or_a_seed(iam: Any, installation: Installation) -> None:
    user = User(iam)
    code = user.device.code()
    sts = installation.client(user.credentials, service="sts")
    sts.get_session_token(SerialNumber=user.device.serial, TokenCode=code)
    installation.caught_up()
    shown = installation.keytrail("decisions", "--principal", user.name, "--json").stdout
    assert "GetSessionToken" in shown
    assert f'"{code}"' not in shown
    changes = installation.keytrail("history", user.name, "--json").stdout
    assert "MFA device" in changes
    assert user.device.seed not in changes
