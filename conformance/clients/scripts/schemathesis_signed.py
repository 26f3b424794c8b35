"""schemathesis tests the audit API against its description. Each operation is a case."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import boto3
from cases import case

TOOL = str(Path(sys.executable).with_name("schemathesis"))
AT_MOST = "240"
"""Seconds."""
OUT = Path("report.json")
url, kms, iam = os.environ["AWS_ENDPOINT_URL"], boto3.client("kms"), boto3.client("iam")


def policy(**elements: object) -> str:
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"} | elements
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


key = kms.create_key()["KeyMetadata"]
user = iam.create_user(UserName="schemathesis")["User"]["Arn"]
iam.put_user_policy(UserName="schemathesis", PolicyName="use", PolicyDocument=policy())
kms.create_alias(AliasName="alias/schemathesis", TargetKeyId=key["KeyId"])
kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=user, Operations=["Decrypt"])
used = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"a": "b"})
kms.put_key_policy(KeyId=key["KeyId"], Policy=policy(Principal={"AWS": "*"}))
keys = [key["KeyId"], key["Arn"], "alias/schemathesis"]
names = {"key": keys, "reference": keys, "principal": [user], "call": [used["ResponseMetadata"]["RequestId"]]}

command = [
    TOOL, "run", f"{url}/v1/openapi.json", "--url", url, "--no-color", "--seed", "1", "--max-examples", "30",
    # A stream never ends. A request without a signature gets a 403, as from AWS's services; schemathesis wants 401.
    "--exclude-path", "/v1/alerts/stream", "--checks", "all", "--exclude-checks", "missing_required_header",
    "--phases", "coverage,fuzzing", "--max-time", AT_MOST, "--request-timeout", "30", "--continue-on-failure",
    "--report", "json", "--report-json-path", str(OUT),
]  # fmt: skip
ours = {
    "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
    "PYTHONPATH": str(Path(__file__).parent),
    "NAMES_THAT_ARE_THERE": json.dumps(names),
}
done = subprocess.run(command, env=os.environ | ours, capture_output=True, text=True, check=False)
print(done.stdout[done.stdout.find("= FAILURES =") :])
report = json.loads(OUT.read_text())
failed: dict[str, list[str]] = {}
for failure in report["failures"]:
    for operation in failure["operations"]:
        failed.setdefault(operation, []).append(failure["title"])


@case("every operation was tried")
def _() -> None:
    assert not report["errors"], report["errors"]
    assert report["operations"]["tested"] == report["operations"]["total"] - 1, report["operations"]
    assert report["test_cases"]["generated"] >= 2_000, report["test_cases"]
    print(report["test_cases"])


with urlopen(f"{url}/v1/openapi.json") as answer:
    described = json.loads(answer.read())
for path, methods in described["paths"].items():
    for method in methods:
        operation = f"{method.upper()} {path}"

        @case(operation)
        def _(operation: str = operation) -> None:
            assert operation not in failed, ", ".join(failed[operation])
