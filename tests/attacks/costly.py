"""The most expensive key policies to understand: each is full of one thing that divides into many cases. And the policies
that are the most expensive to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from domain.policy.parse import INLINE, KEY, MANAGED, MOST_TEXT, SESSION, SIMULATED, TRUST, PolicyKind
from tests.given import ACCOUNT

ROOTED = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}


def _asking(operator: str, key: str, wanted: str, **more: Any) -> dict[str, Any]:
    who = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    return who | {"Condition": {operator: {key: wanted}}} | more


def _of_both(n: int) -> dict[str, Any]:
    callers = [f"arn:*{each}*:user/*{n}*" for each in range(6)]
    who = {"Effect": ("Allow", "Deny")[n % 2], "Principal": "*", "Action": ["kms:E*", "kms:D*"], "Resource": "*"}
    names = {"kms:EncryptionContextKeys": [f"*a*{n}*b"]}
    return who | {"Condition": {"StringNotLike": {"aws:PrincipalArn": callers}, "ForAnyValue:StringLike": names}}


STATEMENTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "callers and names, allowed and denied in turn": _of_both,
    "a condition key each": lambda n: _asking("StringLike", f"kms:EncryptionContext:k{n}", f"*a{n}*b*"),
    "allowed and denied in turn": lambda n: _asking(
        "StringLike", f"kms:EncryptionContext:k{n}", f"*a{n}*", Effect=("Allow", "Deny")[n % 2]
    ),
    "patterns of one key": lambda n: _asking("StringLike", "kms:ViaService", f"*{n}*a*"),
    "long patterns": lambda n: _asking("StringLike", "kms:ViaService", "*" + "?a" * 2_000 + str(n)),
    "patterns of callers": lambda n: _asking("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::*:user/*{n}*x*"),
    "networks": lambda n: _asking("IpAddress", "aws:SourceIp", f"10.{n % 256}.0.0/16"),
    "sets of names": lambda n: _asking("ForAnyValue:StringEquals", "kms:EncryptionContextKeys", f"k{n}"),
    "accounts": lambda n: _asking("StringEquals", "kms:ViaService", f"s{n}") | {
        "Principal": {"AWS": f"arn:aws:iam::{444455556000 + n}:user/u{n}"}
    },
}  # fmt: skip


def policy(statement: Callable[[int], dict[str, Any]], most: int = 32_700, *first: dict[str, Any]) -> str:
    """As many of the statements as fit into `most` bytes."""
    held, size, number = [ROOTED, *first], 100, 0
    size += sum(len(json.dumps(each, separators=(",", ":"))) + 1 for each in held)
    while True:
        made = statement(number)
        size += len(json.dumps(made, separators=(",", ":"))) + 1
        if size > most:
            return json.dumps({"Version": "2012-10-17", "Statement": held}, separators=(",", ":"))
        held.append(made)
        number += 1


# -- to read: one text in a statement, as long as its kind of policy may be ----------------------------------------------------

KINDS = (KEY, TRUST, MANAGED, INLINE, SESSION, SIMULATED)
TEXTS: dict[str, tuple[Callable[[int], str], Callable[[str], dict[str, Any]]]] = {
    "a partition of variables": (lambda n: "arn:" + "${a}" * (n // 4), lambda text: {"Resource": text}),
    "a variable of spaces": (
        lambda n: "${" + " " * n + "}",
        lambda text: {"Condition": {"StringEquals": {"aws:username": text}}},
    ),
    "a variable of spaces and commas": (
        lambda n: "${" + " ," * (n // 2) + "}",
        lambda text: {"Condition": {"StringEquals": {"aws:username": text}}},
    ),
    "spaces without an end": (lambda n: "${" + " " * n, lambda text: {"Resource": ["*", text]}),
    "variables without an end": (lambda n: "${" * (n // 2), lambda text: {"Resource": ["*", text]}),
}
"""The text, and the elements of the statement that holds it."""


def long_text(name: str, kind: PolicyKind) -> str:
    """A policy with the text in the room that its kind has. IAM does not count white space."""
    text, elements = TEXTS[name]
    spaces = " " * 99 in text(99)
    room = (MOST_TEXT if kind.spaced and spaces else kind.most) - 400
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole" if kind is TRUST else "kms:*"}
    statement |= {"Resource": "*"} if kind.resource else {}
    statement |= {"Principal": "*"} if kind.principal else {}
    held = {each: value for each, value in elements(text(room)).items() if kind.resource or each != "Resource"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | held]})
