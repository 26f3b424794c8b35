"""Prowler's checks of KMS and IAM. Each check is a case, which fails if Prowler could not make the check."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
from cases import case
from scanned import ADMIN, GUARDED, PASSWORD, UNGUARDED, passwords, scanned

TOOL = str(Path(sys.executable).with_name("prowler"))
iam = boto3.client("iam")
turning, still = scanned(iam, boto3.client("kms"))
passwords(iam)
account = boto3.client("sts").get_caller_identity()["Account"]
given = {"account": account, "user": UNGUARDED, "password": PASSWORD}
with urlopen(  # one of them signs in
    Request(os.environ["AWS_ENDPOINT_URL"] + "/v1/console/sign-ins", json.dumps(given).encode(), method="POST")
):
    pass
asked = ["--services", "kms", "iam", "--region", os.environ["AWS_REGION"], "--output-formats", "json-ocsf"]
command = [TOOL, "aws", *asked, "--output-directory", "out", "--no-banner", "--no-color", "--log-level", "ERROR"]
done = subprocess.run(command, capture_output=True, text=True, check=False)
said = done.stdout + done.stderr
files = list(Path("out").glob("*.ocsf.json"))
findings: dict[str, dict[str, str]] = defaultdict(dict)
for each in json.loads(files[0].read_text()) if files else []:
    for resource in each["resources"]:
        findings[each["metadata"]["event_code"]][resource["uid"]] = each["status_code"]


@case("scan")
def _() -> None:
    assert files, said[-400:]


def user(name: str) -> str:
    return f"arn:aws:iam::{account}:user/{name}"


WISHES = (
    "expires_passwords_within_90_days_or_less",
    "lowercase",
    "minimum_length_14",
    "number",
    "reuse_24",
    "symbol",
    "uppercase",
)
password_policy = f"arn:aws:iam:{os.environ['AWS_REGION']}:{account}:password-policy"
EXPECTED = {
    "kms_cmk_rotation_enabled": {turning: "PASS", still: "FAIL"},
    "kms_cmk_are_used": {turning: "PASS"},
    "kms_cmk_not_deleted_unintentionally": {turning: "PASS"},
    "kms_cmk_not_multi_region": {turning: "PASS"},
    "kms_key_not_publicly_accessible": {turning: "PASS"},
    "iam_user_mfa_enabled_console_access": {user(GUARDED): "PASS", user(UNGUARDED): "FAIL", user(ADMIN): "PASS"},
    "iam_user_hardware_mfa_enabled": {user(GUARDED): "FAIL", user(UNGUARDED): "FAIL"},
    "iam_user_console_access_unused": {user(GUARDED): "PASS", user(UNGUARDED): "PASS"},
    "iam_root_mfa_enabled": {f"arn:aws:iam::{account}:root": "FAIL"},
    **{f"iam_password_policy_{wish}": {password_policy: "PASS"} for wish in WISHES},
}
for check, expected in EXPECTED.items():

    @case(check)
    def _(check: str = check, expected: dict[str, str] = expected) -> None:
        assert expected.items() <= findings[check].items(), findings[check]


@case("iam_inline_policy_no_administrative_privileges")
def _() -> None:
    found = findings["iam_inline_policy_no_administrative_privileges"]
    assert "FAIL" in {status for uid, status in found.items() if ADMIN in uid}, found


POLICIES = {"iam_support_role_created", "iam_securityaudit_role_created", "iam_policy_cloudshell_admin_not_attached"}
for check in sorted(set(re.findall(r"Something went wrong in (\w+)", said)) | POLICIES | {"iam_avoid_root_usage"}):

    @case(check)
    def _(check: str = check) -> None:
        assert f"Something went wrong in {check}" not in said, "the check ended with an error"
        assert findings[check], "no finding"
