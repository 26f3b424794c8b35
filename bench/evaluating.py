"""Evaluation on one core: key policy with identity policies and conditions, the glob, the compiler."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from domain.arn import key_arn, root_arn
from domain.authorization.caller import Caller, root_of
from domain.authorization.context import RequestOrigin, encryption_context, request_context
from domain.authorization.evaluate import evaluate, may
from domain.authorization.question import Question, Resource
from domain.policy.compile import (
    DELEGATED,
    DIRECT,
    IDENTITY_POLICY,
    Permissions,
    compile_identity_policy,
    compile_key_policy,
)
from domain.policy.glob import compile_glob
from domain.policy.parse import KEY, MANAGED

ACCOUNT = "111122223333"
ARN = key_arn("us-east-1", ACCOUNT, "1234abcd-12ab-34cd-56ef-1234567890ab")
ROUNDS = 200_000
V = "2012-10-17"
POLICY = json.dumps(
    {
        "Version": V,
        "Statement": [
            {"Sid": "admin", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}, "Action": ["kms:Create*", "kms:Put*"], "Resource": "*"},
            {"Sid": "tls", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Sid": "use", "Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/app", f"arn:aws:iam::{ACCOUNT}:user/a"]}, "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*", "Condition": {"StringEquals": {"kms:EncryptionContext:app": "billing"}}},
            {"Sid": "other", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "kms:Encrypt", "Resource": "*"},
            {"Sid": "root", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"},
        ],
    }
)  # fmt: skip
IDENTITY = (
    {"Effect": "Deny", "Action": ["kms:ScheduleKeyDeletion", "kms:Disable*"], "Resource": "*"},
    {"Effect": "Allow", "Action": "kms:Describe*", "Resource": "*"},
    {"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"], "Resource": f"arn:aws:kms:*:{ACCOUNT}:key/*", "Condition": {"StringEquals": {"kms:EncryptionContext:app": "payroll", "aws:PrincipalTag/team": "blue"}}},
)  # fmt: skip
PARAMETERS = {"KeyId": ARN, "EncryptionContext": {"app": "payroll"}}


def caller() -> Caller:
    own = f"arn:aws:iam::{ACCOUNT}:user/alice"
    rules = [
        compile_identity_policy(
            json.dumps({"Version": V, "Statement": [each]}), IDENTITY_POLICY, f"p{number}", "v1", MANAGED
        )
        for number, each in enumerate(IDENTITY)
    ]
    context = {
        "aws:principalarn": (own,),
        "aws:principalaccount": (ACCOUNT,),
        "aws:principaltype": ("User",),
        "aws:userid": ("AIDAALICE",),
        "aws:username": ("alice",),
        "aws:principaltag/team": ("blue",),
        "kms:calleraccount": (ACCOUNT,),
    }
    names = {own: DIRECT, "AIDAALICE": DIRECT, root_arn(ACCOUNT): DELEGATED}
    identity = Permissions(tuple(rule for each in rules for rule in each))
    return Caller(ACCOUNT, own, names, "AIDAALICE", identity=identity, context=context)


def rate(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    began = time.perf_counter()
    for _ in range(rounds):
        run()
    return rounds / (time.perf_counter() - began)


def nothing() -> None:
    return None


def measure() -> dict[str, float]:
    """Rates a second; for the glob and the compiler, seconds."""
    resource = Resource(
        ARN,
        ACCOUNT,
        compile_key_policy(POLICY, ARN, 1),
        {
            "kms:keyspec": ("SYMMETRIC_DEFAULT",),
            "kms:keyusage": ("ENCRYPT_DECRYPT",),
            "aws:resourceaccount": (ACCOUNT,),
        },
    )
    alice, root = caller(), root_of(ACCOUNT)
    origin = RequestOrigin("10.1.2.3", "bench", secure=True, at=1_800_000_000_000_000, region="us-east-1")
    pairs = PARAMETERS["EncryptionContext"]
    assert isinstance(pairs, dict)

    def whole() -> object:
        context = request_context(origin, "Encrypt", PARAMETERS)
        asking = alice.asking(context, encryption_context("Encrypt", PARAMETERS))
        return may(asking, "kms:Encrypt", resource).document()

    normal = {**alice.context, **request_context(origin, "Encrypt", PARAMETERS), **resource.context}
    question = Question("kms:Encrypt", resource, normal, pairs)

    def normalised() -> object:
        return evaluate(alice, question)

    root_question = Question("kms:Encrypt", resource, {**normal, **root.context}, pairs)
    assert evaluate(alice, question).allowed
    assert evaluate(root, root_question).allowed
    glob, text = compile_glob("*" + "a*" * 48 + "zz*"), "ab" * 2048
    big = json.dumps({"Version": V, "Statement": [{**json.loads(POLICY)["Statement"][2], "Sid": f"s{number}"} for number in range(120)]})  # fmt: skip
    assert 31_000 < len(big) <= KEY.most, len(big)
    names = iter(range(1_000_000))

    def compiled() -> object:
        text = big.replace('"s0"', f'"t{next(names)}"')  # so that no text is parsed twice
        return compile_key_policy(text, ARN, 1).covering("kms:Encrypt")

    return {
        "whole": rate(whole),
        "normalised": rate(normalised),
        "root": rate(lambda: evaluate(root, root_question)),
        "nothing": rate(nothing),
        "glob": 1 / rate(lambda: glob(text), 2000),
        "compile": 1 / rate(compiled, 50),
    }
