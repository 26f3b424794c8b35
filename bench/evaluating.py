"""Compiled key-policy evaluation on one core."""

from __future__ import annotations

import json
import time

from domain.access.caller import root_of
from domain.access.evaluate import may
from domain.access.question import Resource
from domain.arn import key_arn
from domain.policy.compile import compile_key_policy

ACCOUNT = "111122223333"
ARN = key_arn("us-east-1", ACCOUNT, "1234abcd-12ab-34cd-56ef-1234567890ab")
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "admin", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}, "Action": ["kms:Create*", "kms:Put*"], "Resource": "*"},
            {"Sid": "never", "Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "kms:*", "Resource": "*"},
            {"Sid": "use", "Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/app", f"arn:aws:iam::{ACCOUNT}:user/a"]}, "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"},
            {"Sid": "other", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "kms:Encrypt", "Resource": "*"},
            {"Sid": "root", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"},
        ],
    }
)  # fmt: skip
ROUNDS = 300_000


def measure() -> tuple[float, float]:
    """(evaluations a second, calls of an empty function a second). The deciding statement is the last of five."""
    resource = Resource(ARN, ACCOUNT, compile_key_policy(POLICY, ARN, 1))
    caller = root_of(ACCOUNT)

    def nothing(*given: object) -> None:
        return None

    began = time.perf_counter()
    for _ in range(ROUNDS):
        may(caller, "kms:Encrypt", resource)
    taken = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(ROUNDS):
        nothing(caller, "kms:Encrypt", resource)
    return ROUNDS / taken, ROUNDS / (time.perf_counter() - began)
