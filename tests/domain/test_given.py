"""What was gained and lost between two versions of an identity policy, however they were written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.policy.statement_set import GIVEN, NOTHING, REFUSED, difference, given, of_these, reaches, trusted

UNIVERSE = ["kms:Decrypt", "kms:Encrypt", "kms:DescribeKey"]
KEY = "arn:aws:kms:us-east-1:111122223333:key/1"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"} | more


def told(old: str, new: str) -> tuple[list[Any], list[Any]]:
    gained, lost = difference(given(old, UNIVERSE), given(new, UNIVERSE))
    return [each["actions"] for each in gained], [each["actions"] for each in lost]


@pytest.mark.parametrize(
    ("old", "new", "gained", "lost"),
    [
        ([allow("kms:Decrypt")], [allow("kms:De*")], [["kms:DescribeKey"]], []),
        ([allow("kms:*")], [allow("kms:Decrypt")], [], [["kms:DescribeKey", "kms:Encrypt"]]),
        ([allow("kms:decrypt", Sid="a")], [allow("kms:Decrypt", Sid="b")], [], []),  # the same, in other words
        ([allow("kms:Decrypt", "kms:Encrypt")], [allow("kms:Encrypt"), allow("kms:Decrypt")], [], []),
        ([], [allow("*")], [["*", *sorted(UNIVERSE)]], []),
        ([], [allow("s3:Get*")], [["s3:Get*"]], []),
        ([], [allow("iam:*", "kms:Encrypt")], [["iam:*", "kms:Encrypt"]], []),
        ([], [{"Effect": "Allow", "NotAction": ["kms:D*"], "Resource": "*"}], [["everything but kms:D*", "kms:Encrypt"]], []),
        (
            [allow("kms:Decrypt")],
            [allow("kms:Decrypt", Condition={"Bool": {"aws:SecureTransport": "true"}})],
            [["kms:Decrypt"]],
            [["kms:Decrypt"]],
        ),
        ([allow("kms:Decrypt", Resource=KEY)], [allow("kms:Decrypt", Resource=[KEY])], [], []),
        ([allow("kms:Decrypt")], [allow("kms:Decrypt") | {"Effect": "Deny"}], [["kms:Decrypt"]], [["kms:Decrypt"]]),
    ],
)  # fmt: skip
def test_only_changes_are_shown(old: list[Any], new: list[Any], gained: list[Any], lost: list[Any]) -> None:
    before = policy(*old) if old else "nothing"
    assert told(before, policy(*new)) == (gained, lost)
    assert told(policy(*new), before) == (lost, gained)


def test_a_trust_policy_says_who_may_assume_the_role() -> None:
    text = policy({"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "sts:AssumeRole"})
    ((gained,), lost) = difference(NOTHING, trusted(text))
    assert (gained["who"], gained["actions"], lost) == (["arn:aws:iam::444455556666:root"], ["sts:AssumeRole"], [])


@pytest.mark.parametrize(
    ("resources", "but", "there"),
    [
        (["*"], False, True),
        ([KEY], False, True),
        ([KEY[:-1] + "2"], False, False),
        (["arn:aws:kms:*:*:key/*"], False, True),
        (["arn:aws:kms:*:*:key/${aws:username}"], False, True),
        ([KEY], True, False),
        ([KEY[:-1] + "2"], True, True),
    ],
)
def test_a_statement_reaches_a_key_or_does_not(resources: list[str], but: bool, there: bool) -> None:
    assert reaches({"resources": resources, "all_but": but}, KEY) is there


@pytest.mark.parametrize(
    ("left", "effect", "actions", "found"),
    [
        ([allow("kms:Decrypt", Resource=KEY)], GIVEN, ["kms:Decrypt", "kms:Encrypt"], [["kms:Decrypt"]]),
        ([allow("kms:*")], GIVEN, ["kms:Decrypt"], [["kms:Decrypt"]]),
        ([allow("*")], GIVEN, ["s3:GetObject"], [["s3:GetObject"]]),
        ([allow("s3:GetObject")], GIVEN, ["s3:*"], [["s3:GetObject"]]),
        ([allow("kms:Encrypt")], GIVEN, ["kms:Decrypt"], []),
        ([allow("kms:Decrypt")], REFUSED, ["kms:Decrypt"], []),
        ([allow("kms:Decrypt") | {"Effect": "Deny"}], REFUSED, ["kms:Decrypt"], [["kms:Decrypt"]]),
    ],
)  # fmt: skip
def test_what_other_statements_say_of_the_same_actions(
    left: list[Any], effect: str, actions: list[str], found: list[Any]
) -> None:
    assert [each["actions"] for each in of_these(given(policy(*left), UNIVERSE), effect, actions)] == found


def test_a_long_inline_policy_of_a_role_gives_what_it_says() -> None:
    """One of more than 6,144 characters, a managed policy's limit, gave nothing: neither when it was put nor when it was taken."""
    sids = [
        {"Sid": f"S{number}{'x' * 200}", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
        for number in range(25)
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": sids})
    assert 6_144 < len(text.replace(" ", "")) < 10_240
    assert given(text, UNIVERSE)
