"""Terraform's AWS provider, if the machine has `terraform` and a provider: a second plan shows no change.

TERRAFORM_PLUGIN_DIR names a folder of providers. Without one, boto3 does the same in test_authorisation.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from tests.installation import Installation, clean_environment

TERRAFORM = shutil.which("terraform")
PLACES = [
    *filter(None, [os.environ.get("TERRAFORM_PLUGIN_DIR")]),
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    *map(str, Path("/opt").glob("*")),
]
PLUGINS = next((place for place in PLACES if Path(place, "registry.terraform.io/hashicorp/aws").is_dir()), None)

CONFIGURATION = """
provider "aws" {
  region                      = "us-east-1"
  skip_metadata_api_check     = true
  skip_requesting_account_id  = false
  endpoints {
    iam = "URL"
    kms = "URL"
    sts = "URL"
  }
}
data "aws_caller_identity" "me" {}
resource "aws_iam_user" "alice" {
  name = "tf-alice"
  path = "/eng/"
  tags = { team = "blue" }
}
resource "aws_iam_group" "users" { name = "tf-users" }
resource "aws_iam_user_group_membership" "alice" {
  user   = aws_iam_user.alice.name
  groups = [aws_iam_group.users.name]
}
resource "aws_iam_group_policy" "use" {
  name   = "use"
  group  = aws_iam_group.users.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = "*" }] })
}
resource "aws_iam_policy" "limit" {
  name   = "tf-limit"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:*", Resource = "*" }] })
}
resource "aws_iam_role" "app" {
  name                 = "tf-app"
  permissions_boundary = aws_iam_policy.limit.arn
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = aws_iam_user.alice.arn }
  }] })
}
resource "aws_iam_role_policy_attachment" "app" {
  role       = aws_iam_role.app.name
  policy_arn = aws_iam_policy.limit.arn
}
resource "aws_iam_access_key" "alice" { user = aws_iam_user.alice.name }
resource "aws_kms_key" "key" {
  description = "by Terraform"
  tags        = { team = "blue" }
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Sid = "root", Effect = "Allow", Action = "kms:*", Resource = "*",
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" } },
    { Sid = "use", Effect = "Allow", Action = ["kms:Encrypt", "kms:Decrypt"], Resource = "*",
      Principal = { AWS = [aws_iam_user.alice.arn, aws_iam_role.app.arn] } },
  ] })
}
resource "aws_kms_alias" "key" {
  name          = "alias/terraform"
  target_key_id = aws_kms_key.key.key_id
}
resource "aws_kms_key" "turning" {
  description             = "rotates, and goes after seven days"
  enable_key_rotation     = true
  rotation_period_in_days = 180
  deletion_window_in_days = 7
}
resource "aws_kms_key_policy" "turning" {
  key_id = aws_kms_key.turning.key_id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Sid = "root", Effect = "Allow", Action = "kms:*", Resource = "*",
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" } },
  ] })
}
resource "aws_kms_key" "codes" {
  key_usage                = "GENERATE_VERIFY_MAC"
  customer_master_key_spec = "HMAC_256"
}
resource "aws_kms_external_key" "brought" {
  description             = "with material of our own"
  key_material_base64     = "MATERIAL"
  deletion_window_in_days = 7
  enabled                 = true
  tags                    = { team = "blue" }
}
resource "aws_kms_ciphertext" "sealed" {
  key_id    = aws_kms_key.key.key_id
  plaintext = "from terraform"
  context   = { app = "payroll" }
}
resource "aws_kms_grant" "alice" {
  name              = "for-alice"
  key_id            = aws_kms_key.key.key_id
  grantee_principal = aws_iam_user.alice.arn
  operations        = ["Encrypt", "Decrypt"]
  constraints { encryption_context_subset = { app = "payroll" } }
}
"""


@pytest.mark.soak  # it takes two minutes of two cores, most of them to load the provider six times
@pytest.mark.skipif(TERRAFORM is None or PLUGINS is None, reason="neither terraform nor its AWS provider is here")
def test_a_second_plan_shows_no_change(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        CONFIGURATION.replace("URL", installation.url).replace("MATERIAL", b64encode(os.urandom(32)).decode())
    )
    environment = {
        **{name: value for name, value in clean_environment().items() if not name.startswith("TF_")},
        **installation.credentials(),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
    }

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(TERRAFORM), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    for arguments in (("init", "-no-color", f"-plugin-dir={PLUGINS}"), ("apply", "-no-color", "-auto-approve")):
        done = terraform(*arguments)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    second = terraform("plan", "-no-color", "-detailed-exitcode")
    assert second.returncode == 0, second.stdout[-4000:] + second.stderr[-2000:]
    state = json.loads((tmp_path / "terraform.tfstate").read_text())
    made = {each["type"]: each["instances"][0]["attributes"] for each in state["resources"] if each["name"] != "me"}
    sealed = b64decode(made["aws_kms_ciphertext"]["ciphertext_blob"])
    kms = installation.client()
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"app": "payroll"})["Plaintext"] == b"from terraform"
    gone = terraform("destroy", "-no-color", "-auto-approve")
    assert gone.returncode == 0, gone.stdout[-3000:] + gone.stderr[-3000:]
    assert kms.describe_key(KeyId=made["aws_kms_external_key"]["id"])["KeyMetadata"]["KeyState"] == "PendingDeletion"
