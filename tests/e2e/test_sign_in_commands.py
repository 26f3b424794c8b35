"""The aws command line through every operation of passwords, MFA devices and OpenID Connect providers, in the order in which
people need them."""

from __future__ import annotations

import csv
import json
import time
from base64 import b32decode, b64decode
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.crypto.totp import STEP_SECONDS, code_of
from tests.e2e.test_mfa import User, statement, temporary
from tests.installation import Installation
from tests.sign_in import let_in, sign_in

FIRST, SECOND, THIRD = "correct Horse 1", "battery Staple 2", "tr0ub4dor & Three"
pytestmark = pytest.mark.soak  # the command line starts 70 times: three quarters of a minute of a core


class CommandLine:
    def __init__(
        self, installation: Installation, credentials: dict[str, str] | None = None, service: str = "iam"
    ) -> None:
        self._installation = installation
        self._credentials = credentials
        self._service = service

    def __call__(self, *arguments: str) -> Any:
        done = self._installation.aws(self._service, *arguments, credentials=self._credentials)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def refused(self, code: str, *arguments: str) -> None:
        done = self._installation.aws(self._service, *arguments, credentials=self._credentials, check=False)
        assert done.returncode
        assert f"({code})" in done.stderr, done.stderr


@pytest.fixture(scope="module")
def iam(installation: Installation) -> CommandLine:
    return CommandLine(installation)


@pytest.fixture
def user(iam: CommandLine) -> str:
    name = f"cli-{uuid4().hex[:8]}"
    iam("create-user", "--user-name", name)
    return name


@pytest.mark.usefixtures("no_password_policy")
def test_passwords(iam: CommandLine, user: str, installation: Installation) -> None:
    of_user = ("--user-name", user)
    iam.refused("NoSuchEntity", "get-login-profile", *of_user)
    iam.refused("PasswordPolicyViolation", "create-login-profile", *of_user, "--password", "short")
    made = iam("create-login-profile", *of_user, "--password", FIRST, "--password-reset-required")["LoginProfile"]
    assert (made["UserName"], made["PasswordResetRequired"]) == (user, True)
    assert iam("get-login-profile", *of_user)["LoginProfile"] == made
    iam.refused("EntityAlreadyExists", "create-login-profile", *of_user, "--password", FIRST)
    assert iam("update-login-profile", *of_user, "--password", SECOND, "--no-password-reset-required") == {}
    assert iam("get-login-profile", *of_user)["LoginProfile"]["PasswordResetRequired"] is False
    assert "PasswordLastUsed" not in iam("get-user", *of_user)["User"]
    own = CommandLine(installation, let_in(sign_in(installation, user, SECOND)))
    change = ("change-password", "--old-password", SECOND, "--new-password", THIRD)
    own.refused("AccessDenied", *change)

    iam.refused("NoSuchEntity", "get-account-password-policy")
    iam("update-account-password-policy", "--minimum-password-length", "12", "--allow-users-to-change-password")
    policy = iam("get-account-password-policy")["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["AllowUsersToChangePassword"]) == (12, True)
    own.refused("PasswordPolicyViolation", "change-password", "--old-password", SECOND, "--new-password", "aB3 aB3")
    assert own(*change) == {}
    assert iam("delete-account-password-policy") == {}
    iam.refused("NoSuchEntity", "delete-account-password-policy")

    installation.caught_up()
    used = iam("get-user", *of_user)["User"]["PasswordLastUsed"]
    assert {each["UserName"]: each.get("PasswordLastUsed") for each in iam("list-users")["Users"]}[user] == used
    assert iam("generate-credential-report")["State"] == "COMPLETE"
    report = b64decode(iam("get-credential-report")["Content"]).decode()
    (row,) = [row for row in csv.DictReader(report.splitlines()) if row["user"] == user]
    assert (row["password_enabled"], row["password_last_used"], row["mfa_active"]) == (
        "true",
        used.replace("Z", "+00:00"),
        "false",
    )
    assert iam("get-account-summary")["SummaryMap"]["AccountPasswordPresent"] == 0
    iam.refused("DeleteConflict", "delete-user", *of_user)
    assert iam("delete-login-profile", *of_user) == {}
    iam.refused("NoSuchEntity", "delete-login-profile", *of_user)
    assert iam("get-user", *of_user)["User"]["PasswordLastUsed"] == used
    assert iam("delete-user", *of_user) == {}


def test_mfa_devices(iam: CommandLine, user: str, installation: Installation, tmp_path: Path) -> None:
    of_user, before = ("--user-name", user), iam("get-account-summary")["SummaryMap"]
    picture, seed = tmp_path / "phone.png", tmp_path / "phone.txt"

    def create(name: str, method: str, file: Path) -> str:
        made = iam(
            *("create-virtual-mfa-device", "--virtual-mfa-device-name", f"{user}-{name}"),
            *("--outfile", str(file), "--bootstrap-method", method),
        )
        assert list(made["VirtualMFADevice"]) == ["SerialNumber"], "the secret is in the file alone"
        return str(made["VirtualMFADevice"]["SerialNumber"])

    drawn, typed = create("drawn", "QRCodePNG", picture), create("typed", "Base32StringSeed", seed)
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    serial = ("--serial-number", typed)

    def codes(ahead: int) -> tuple[str, ...]:
        now = int(time.time()) // STEP_SECONDS + ahead
        first, second = (code_of(b32decode(seed.read_bytes()), now + each) for each in range(2))
        return ("--authentication-code1", first, "--authentication-code2", second)

    iam.refused("InvalidAuthenticationCode", "enable-mfa-device", *of_user, *serial, *codes(5000))
    assert iam("enable-mfa-device", *of_user, *serial, *codes(-1)) == {}
    (held,) = iam("list-mfa-devices", *of_user)["MFADevices"]
    assert (held["UserName"], held["SerialNumber"]) == (user, typed)
    assert iam("get-mfa-device", *serial, *of_user)["SerialNumber"] == typed
    assigned = iam("list-virtual-mfa-devices", "--assignment-status", "Assigned", "--page-size", "1")
    assert typed in [each["SerialNumber"] for each in assigned["VirtualMFADevices"]]
    unassigned = iam("list-virtual-mfa-devices", "--assignment-status", "Unassigned")["VirtualMFADevices"]
    assert {"SerialNumber": drawn} in unassigned
    assert iam("resync-mfa-device", *of_user, *serial, *codes(10)) == {}
    during = iam("get-account-summary")["SummaryMap"]
    names = ("MFADevices", "MFADevicesInUse", "AccountMFAEnabled")
    assert [during[name] - before[name] for name in names] == [2, 1, 0]
    report = b64decode(iam("get-credential-report")["Content"]).decode()
    (row,) = [row for row in csv.DictReader(report.splitlines()) if row["user"] == user]
    assert (row["password_enabled"], row["mfa_active"]) == ("false", "true")
    iam.refused("DeleteConflict", "delete-virtual-mfa-device", *serial)
    iam.refused("DeleteConflict", "delete-user", *of_user)
    assert iam("deactivate-mfa-device", *of_user, *serial) == {}
    assert iam("list-mfa-devices", *of_user) == {"MFADevices": []}
    for each in (typed, drawn):
        assert iam("delete-virtual-mfa-device", "--serial-number", each) == {}
    iam.refused("NoSuchEntity", "delete-virtual-mfa-device", *serial)
    assert iam("get-account-summary")["SummaryMap"] == before | {"Users": during["Users"]}


def test_sessions_with_a_code(iam: CommandLine, installation: Installation) -> None:
    allowed = {"Version": "2012-10-17", "Statement": [statement("Allow", "iam:GetUser"), statement("Allow", "sts:*")]}
    user = User(installation.client(service="iam"), allowed)
    sts = CommandLine(installation, user.credentials, "sts")
    without = CommandLine(installation, temporary(sts("get-session-token")))
    without.refused("AccessDenied", "get-user")
    sts.refused("AccessDenied", "get-session-token", "--serial-number", user.device.serial, "--token-code", "000000")
    codes = ("--serial-number", user.device.serial, "--token-code")
    session = temporary(sts("get-session-token", "--duration-seconds", "900", *codes, user.device.code()))
    assert CommandLine(installation, session)("get-user")["User"]["Arn"] == user.arn

    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "60"}}
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": user.arn},
            "Action": "sts:AssumeRole",
            "Condition": condition,
        },
    }
    made = iam("create-role", "--role-name", user.name, "--assume-role-policy-document", json.dumps(trust))
    role = made["Role"]["Arn"]
    assume = ("assume-role", "--role-arn", role, "--role-session-name", "cli")
    sts.refused("AccessDenied", *assume)
    # A code counts once, and nobody waits here for the next: the phone is resynchronised with a clock that is fast.
    fast = ("--authentication-code1", user.device.code(1), "--authentication-code2", user.device.code(2))
    assert iam("resync-mfa-device", "--user-name", user.name, "--serial-number", user.device.serial, *fast) == {}
    assumed = CommandLine(installation, temporary(sts(*assume, *codes, user.device.code(3))), "sts")
    assert assumed("get-caller-identity")["Arn"].endswith(f":assumed-role/{user.name}/cli")


def test_open_id_connect_providers(iam: CommandLine) -> None:
    host, thumbprint = f"{uuid4().hex[:8]}.example.com", "0123456789abcdef0123456789abcdef01234567"
    url, tags = ("--url", f"https://{host}"), ("--tags", "Key=team,Value=blue")
    made = iam("create-open-id-connect-provider", *url, "--client-id-list", "keytrail", "payroll", *tags)
    arn = made["OpenIDConnectProviderArn"]
    assert arn.endswith(f":oidc-provider/{host}")
    named = ("--open-id-connect-provider-arn", arn)
    iam.refused("EntityAlreadyExists", "create-open-id-connect-provider", *url)
    assert {"Arn": arn} in iam("list-open-id-connect-providers")["OpenIDConnectProviderList"]
    assert iam("add-client-id-to-open-id-connect-provider", *named, "--client-id", "third") == {}
    assert iam("remove-client-id-from-open-id-connect-provider", *named, "--client-id", "payroll") == {}
    assert iam("update-open-id-connect-provider-thumbprint", *named, "--thumbprint-list", thumbprint) == {}
    assert iam("tag-open-id-connect-provider", *named, "--tags", "Key=stage,Value=test") == {}
    assert iam("untag-open-id-connect-provider", *named, "--tag-keys", "team") == {}
    shown = iam("get-open-id-connect-provider", *named)
    assert (shown["Url"], sorted(shown["ClientIDList"]), shown["ThumbprintList"], shown["Tags"]) == (
        host,
        ["keytrail", "third"],
        [thumbprint],
        [{"Key": "stage", "Value": "test"}],
    )
    assert iam("list-open-id-connect-provider-tags", *named)["Tags"] == shown["Tags"]
    assert iam("delete-open-id-connect-provider", *named) == {}
    iam.refused("NoSuchEntity", "get-open-id-connect-provider", *named)
