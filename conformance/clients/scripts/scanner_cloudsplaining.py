"""cloudsplaining: the whole account in one call, and the policies that it finds too generous."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import boto3
from cases import case
from scanned import ADMIN, ROLE, everything, scanned

TOOL = str(Path(sys.executable).with_name("cloudsplaining"))


def run(*arguments: str) -> None:
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


scanned(boto3.client("iam"), boto3.client("kms"))


@case("download")
def _() -> None:
    run("download", "--output", ".")
    found = json.loads(Path("default.json").read_text())
    (admin,) = (user for user in found["UserDetailList"] if user["UserName"] == ADMIN)
    assert admin["UserPolicyList"][0]["PolicyDocument"] == everything(), admin
    (role,) = (role for role in found["RoleDetailList"] if role["RoleName"] == ROLE)
    assert [policy["PolicyName"] for policy in role["AttachedManagedPolicies"]] == ["scanned-use"], role
    assert "scanned-use" in [policy["PolicyName"] for policy in found["Policies"]], found["Policies"]


@case("scan")
def _() -> None:
    run("scan", "--input-file", "default.json", "--output", ".", "--skip-open-report")
    results = json.loads(next(Path().glob("*results*.json")).read_text())
    assert any(user["name"] == ADMIN for user in results["users"].values()), list(results["users"])
    risky = [policy for policy in results["inline_policies"].values() if policy["PrivilegeEscalation"]["findings"]]
    assert risky, results["inline_policies"]
