"""Terraform's AWS provider: each resource is a case, made once, unchanged in a second plan, and gone at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

from cases import case

PLUGINS = sys.argv[1]
CONFIGURATION = Path(__file__).with_name("terraform.tf").read_text()
PUBLIC_KEY = "".join(Path(__file__).with_name("pgp_public_key.txt").read_text().split())
"""Made for this alone. Nobody has its private half: the password that is sealed with it is never read."""
material = b64encode(os.urandom(32)).decode()
Path("main.tf").write_text(CONFIGURATION.replace("MATERIAL", material).replace("PUBLIC_KEY", PUBLIC_KEY))
environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
environment |= {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def terraform(*arguments: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
    command = ["terraform", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def told(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The objects that terraform prints with -json, a line each."""
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def start(folder: str) -> None:
    started = terraform("init", "-no-color", f"-plugin-dir={PLUGINS}", folder=folder)
    if started.returncode:
        raise SystemExit(started.stdout + started.stderr)


start(".")
applied = terraform("apply", "-json", "-auto-approve")
lines = told(applied)
planned = {line["change"]["resource"]["addr"] for line in lines if line["type"] == "planned_change"}
complete = {line["hook"]["resource"]["addr"] for line in lines if line["type"] == "apply_complete"}
errors = {
    line["diagnostic"].get("address", "apply"): line["diagnostic"]["summary"]
    + " "
    + line["diagnostic"].get("detail", "")
    for line in lines
    if line["type"] == "diagnostic" and line["diagnostic"]["severity"] == "error"
}
again = told(terraform("plan", "-json"))
changing = {
    line["change"]["resource"]["addr"]: line["change"]["action"] for line in again if line["type"] == "planned_change"
}
for address in sorted(planned | errors.keys()):

    @case(address)
    def _(address: str = address) -> None:
        assert address not in errors, errors[address]
        assert address in complete, "it was not made"
        assert address not in changing, f"a second plan would {changing[address]} it"


@case("data sources")
def _() -> None:
    shown = json.loads(terraform("output", "-json").stdout)
    assert shown["same"]["value"] == {
        "alias": True,
        "arn": True,
        "may": ["allowed", "implicitDeny"],
        "plaintext": "from terraform",
        "provider": True,
        "user": True,
    }, shown["same"]["value"]


@case("passwords")
def _() -> None:
    shown = json.loads(terraform("output", "-json").stdout)["passwords"]["value"]
    assert shown == {"clear": 24, "expires": True, "hidden": True, "sealed": True, "seed": True}, shown


IMPORTED = (
    "aws_iam_account_password_policy.strict",
    "aws_iam_virtual_mfa_device.phone",
    "aws_iam_user_login_profile.alice",
    "aws_iam_openid_connect_provider.company",
)
"""Others can be imported too; these came last."""
resources = json.loads(Path("terraform.tfstate").read_text())["resources"]
ids = {f"{each['type']}.{each['name']}": each["instances"][0]["attributes"].get("id", "") for each in resources}
Path("imported").mkdir()
blocks = [f'import {{\n  to = {address}\n  id = "{ids[address]}"\n}}\n' for address in IMPORTED if address in ids]
KNOWN_TO_TERRAFORM_ALONE = """
provider "aws" { skip_metadata_api_check = true }
resource "aws_iam_user_login_profile" "alice" {
  user = "tf-alice"
  lifecycle { ignore_changes = [password_length, password_reset_required] }
}
resource "aws_iam_openid_connect_provider" "company" {
  url            = "https://id.example.com/company"
  client_id_list = ["keytrail", "payroll"]
  tags           = { team = "blue" }
}
"""
"""For these two Terraform cannot write a configuration. It reads nothing back of a password that it did not make (its
documentation, aws_iam_user_login_profile), and GetOpenIDConnectProvider answers the URL without its scheme, as AWS's
does, which Terraform takes for a URL without a host."""
Path("imported/main.tf").write_text(KNOWN_TO_TERRAFORM_ALONE + "".join(blocks))
start("imported")
generated = terraform("plan", "-no-color", "-generate-config-out=made.tf", folder="imported")


@case("import")
def _() -> None:
    found = f"Plan: {len(IMPORTED)} to import, 0 to add, 0 to change, 0 to destroy."
    assert found in generated.stdout, generated.stderr[-1000:] + generated.stdout[-1000:]


@case("destroy")
def _() -> None:
    gone = terraform("destroy", "-no-color", "-auto-approve")
    assert gone.returncode == 0, gone.stdout[-1000:] + gone.stderr[-1000:]
