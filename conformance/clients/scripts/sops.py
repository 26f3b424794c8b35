"""sops: a file whose values are sealed under KMS keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
from cases import case

TOOL = sys.argv[1]
kms = boto3.client("kms")
one, two = (str(kms.create_key()["KeyMetadata"]["Arn"]) for _ in range(2))
SECRET = "correct horse battery staple"
Path("plain.json").write_text(json.dumps({"password": SECRET, "list": [1, 2]}))


def run(*arguments: str, **given: str) -> str:
    environment = os.environ | given
    done = subprocess.run([TOOL, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sealed(name: str, *arguments: str) -> str:
    text = run("encrypt", *arguments, "plain.json")
    assert SECRET not in text, text
    Path(name).write_text(text)
    return text


@case("encrypt and decrypt")
def _() -> None:
    sealed("one.json", "--kms", one)
    assert json.loads(run("decrypt", "one.json")) == {"password": SECRET, "list": [1, 2]}


@case("an encryption context")
def _() -> None:
    text = sealed("context.json", "--kms", one, "--encryption-context", "app:payroll,stage:test")
    (entry,) = json.loads(text)["sops"]["kms"]
    assert entry["context"] == {"app": "payroll", "stage": "test"}, entry
    assert json.loads(run("decrypt", "context.json"))["password"] == SECRET


@case("two keys, of which one is disabled")
def _() -> None:
    sealed("two.json", "--kms", f"{one},{two}")
    kms.disable_key(KeyId=one)
    try:
        assert json.loads(run("decrypt", "two.json"))["password"] == SECRET
    finally:
        kms.enable_key(KeyId=one)


@case("rotate to another key")
def _() -> None:
    sealed("rotated.json", "--kms", one)
    run("rotate", "--in-place", "--add-kms", two, "--rm-kms", one, "rotated.json")
    (entry,) = json.loads(Path("rotated.json").read_text())["sops"]["kms"]
    assert entry["arn"] == two, entry
    assert json.loads(run("decrypt", "rotated.json"))["password"] == SECRET


@case("an alias")
def _() -> None:
    kms.create_alias(AliasName="alias/sops", TargetKeyId=one)
    sealed("alias.json", "--kms", one.split(":key/")[0] + ":alias/sops")
    assert json.loads(run("decrypt", "alias.json"))["password"] == SECRET


@case("a role that sops assumes")
def _() -> None:
    iam = boto3.client("iam")
    user = iam.create_user(UserName="sops-user")["User"]["Arn"]
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": user}}
    use = {"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": one}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": [statement]}) for statement in (trust, use)]
    role = iam.create_role(RoleName="sops-role", AssumeRolePolicyDocument=documents[0])["Role"]["Arn"]
    iam.put_role_policy(RoleName="sops-role", PolicyName="use", PolicyDocument=documents[1])
    key = iam.create_access_key(UserName="sops-user")["AccessKey"]
    given = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    Path("role.json").write_text(run("encrypt", "--kms", f"{one}+{role}", "plain.json", **given))
    assert json.loads(run("decrypt", "role.json", **given))["password"] == SECRET
