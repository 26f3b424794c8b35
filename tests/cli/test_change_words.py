"""Changes in words, for people who do not program."""

from __future__ import annotations

from typing import Any

import pytest

from domain.keys.states import KEY_ACTIONS
from domain.policy.conditions import FAMILIES
from domain.policy_analysis.compare import DENIES, SILENT, WORDS, compare
from domain.policy_analysis.space import Side, Space
from services.wording.change_words import VERBS, besides, close_misses, sentences, subject
from services.wording.condition_words import OPERATORS, WISHES, conditions
from tests.given import arn
from tests.policies import delegating, named, policy, statement, user_arn

ACCOUNT = "111122223333"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"


def row(**more: Any) -> dict[str, Any]:
    return {"kind": "key policy", "keys": [], "about": [], "gained": [], "lost": [], "unknown": []} | more


def said(before: str, after: str, **more: Any) -> str:
    effect = {"principals": [{"principal": BOB}], "actions": ["kms:Decrypt"], "before": before, "after": after, **more}
    return sentences(row(gained=[effect]), "gained", ACCOUNT)[0]


def test_every_answer_that_a_policy_can_change_to_has_its_words() -> None:
    answers = {(one, other) for one in WORDS for other in WORDS if one != other}
    assert {(WORDS[one], WORDS[other]) for one, other in answers} <= set(VERBS)
    assert WORDS[DENIES], WORDS[SILENT]


@pytest.mark.parametrize(
    ("before", "after", "more", "words"),
    [
        ("not allowed", "allowed", {}, "user/bob now may Decrypt"),
        ("not allowed", "left to identity policies", {}, "user/bob now may Decrypt (depends on their IAM policies)"),
        ("allowed", "denied", {}, "user/bob no longer may Decrypt (refused outright)"),
        ("not allowed", "denied", {}, "user/bob is now refused Decrypt (a grant does not let them in either)"),
        ("not allowed", "allowed", {"principals": [{"kind": "user", "account": ACCOUNT}, {"kind": "role", "account": ACCOUNT}]},
         f"every other user and role of account {ACCOUNT} now may Decrypt"),
        ("not allowed", "allowed", {"principals": [{"kind": "root", "account": "any other"}, {"kind": "service"}]},
         "the root of any other account and every other service now may Decrypt"),
        ("not allowed", "allowed", {"actions": sorted(KEY_ACTIONS)}, "user/bob now may everything with the key"),
        ("not allowed", "allowed", {"actions": sorted(KEY_ACTIONS)[:20]},
         "user/bob now may Decrypt, Encrypt, GenerateDataKey, CreateGrant, DisableKey, CancelKeyDeletion and 14 more operations"),
        ("not given", "given", {"constraints": {"EncryptionContextSubset": {"app": "pay"}}},
         "user/bob now may Decrypt if the encryption context has app=pay"),
    ],
)  # fmt: skip
def test_a_sentence(before: str, after: str, more: dict[str, Any], words: str) -> None:
    assert said(before, after, **more) == words


def test_unknown_effects_boundaries_and_credentials_have_their_words() -> None:
    limited = row(kind="identity", about=[BOB], boundary={"from": None, "to": f"arn:aws:iam::{ACCOUNT}:policy/edge"})
    assert besides(limited, ACCOUNT) == ["user/bob now limited to what policy/edge allows"]
    freed = row(kind="identity", about=[BOB], boundary={"from": f"arn:aws:iam::{ACCOUNT}:policy/edge", "to": None})
    assert besides(freed, ACCOUNT) == ["user/bob no longer limited by policy/edge"]
    assert besides(row(unknown=["too many cases"]), ACCOUNT) == ["not known exactly: too many cases"]
    assert besides(row(), ACCOUNT) == ["let nobody in and took nothing away"]
    named = row(keys=[{"key_id": "1234abcd-1234", "key_aliases": ["alias/payroll"]}], from_version=2, to_version=3)
    assert subject(named, ACCOUNT) == "alias/payroll 1234abcd-1234 policy v2 → v3"


def near(operator: str, key: str, wanted: list[str], found: list[str]) -> dict[str, Any]:
    by = {
        "kind": "key-policy",
        "policy": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k",
        "version": 2,
        "sid": "Payroll",
        "index": 1,
    }
    return {"by": by, "condition": {"operator": operator, "key": key, "wanted": wanted, "found": found}}


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "found", "words"),
    [
        ("StringEquals", "kms:EncryptionContext:app", ["payroll"], [], "EncryptionContext:app wants payroll (there is none)"),
        ("StringEquals", "kms:EncryptionContext:app", ["a", "b"], ["x"], "EncryptionContext:app wants a or b (there is x)"),
        ("IpAddress", "aws:SourceIp", ["10.0.0.0/8"], ["192.0.2.1"], "aws:SourceIp wants 10.0.0.0/8 (there is 192.0.2.1)"),
        ("StringNotLikeIfExists", "aws:x", ["a*"], ["ab"], "aws:x wants anything but a* (there is ab)"),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], ["a", "b"], "every aws:TagKeys wants a (there is a, b)"),
        ("DateLessThan", "aws:CurrentTime", ["2026-01-01"], ["2026-11-27"], "aws:CurrentTime wants a time before 2026-01-01 (there is 2026-11-27)"),
        ("Null", "kms:EncryptionContext:app", ["false"], [], "EncryptionContext:app is to be there"),
        ("Null", "kms:EncryptionContext:app", ["true"], ["x"], "EncryptionContext:app is to be absent"),
    ],
)  # fmt: skip
def test_what_a_statement_wanted_that_came_close(
    operator: str, key: str, wanted: list[str], found: list[str], words: str
) -> None:
    call = {"reasons": [{"action": "kms:Decrypt", "near": near(operator, key, wanted, found)}]}
    assert close_misses(call, ACCOUNT) == f'v2 "Payroll": {words}'


def test_every_operator_can_say_what_it_wanted() -> None:
    assert set(OPERATORS) == set(FAMILIES)
    assert set(OPERATORS.values()) == set(WISHES)
    for name in FAMILIES:
        call = {"reasons": [{"near": near(name, "aws:x", ["7"], ["8"])}, {"by": {"rule": "x"}}]}
        assert close_misses(call, ACCOUNT).endswith(" 7 (there is 8)")
        assert " wants " in close_misses(call, ACCOUNT)
    assert close_misses({"reasons": None}, ACCOUNT) == close_misses({"reasons": [{"by": {}}]}, ACCOUNT) == ""


ALICE = user_arn()
IDS = {ALICE: "AIDAALICE"}
PAYROLL = {"StringEquals": {"kms:EncryptionContext:app": ["payroll"]}}
USE = {"Action": ["kms:Decrypt", "kms:PutKeyPolicy"]}


def changed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The changes when one statement replaces the other."""
    sides = [Side(policy(delegating(), each), IDS) for each in (old, new)]
    found = compare(Space(sides, ACCOUNT, KEY_ACTIONS, arn()))
    told = [each.get("why", "") for each in found["unknown"]]
    return row(gained=found["allowed"], lost=found["denied"], unknown=told, unclear=found["unknown"])


def test_a_principal_that_keeps_access_under_a_condition_is_shown_with_the_condition() -> None:
    lost = changed(statement(**USE), named(ALICE, **USE, Condition=PAYROLL))
    assert sentences(lost, "lost", ACCOUNT) == [
        "anyone of any other account and every other service no longer may Decrypt, PutKeyPolicy (nor may its users and roles, "
        "whatever their IAM policies say, unless by a grant)",
        f"every other user and role of account {ACCOUNT} (user/alice only if it is made again) no longer may by this policy alone "
        "Decrypt (depends on their IAM policies)",
        f"user/alice and every other user and role of account {ACCOUNT} no longer may by this policy alone PutKeyPolicy (depends on "
        "their IAM policies)",
        "user/alice no longer may by this policy alone Decrypt if not (EncryptionContext:app is payroll) (depends on their IAM "
        "policies)",
    ]


def test_a_principal_with_unchanged_access_is_excepted_by_name() -> None:
    lost = changed(
        statement(Action="kms:Decrypt"), named(ALICE, "arn:aws:iam::444455556666:root", Action="kms:Decrypt")
    )
    assert sentences(lost, "lost", ACCOUNT)[0] == (
        "anyone of any other account (but not users and roles of account 444455556666 and the root of account 444455556666) and "
        "every other service no longer may Decrypt (nor may its users and roles, whatever their IAM policies say, unless by a "
        "grant)"
    )
    gained = changed(named(ALICE, Action="kms:Decrypt"), statement(Action="kms:Decrypt"))
    assert sentences(gained, "gained", ACCOUNT)[0].startswith(
        "anyone of any other account and every other service now may Decrypt"
    )


def test_an_example_of_a_pattern_is_marked_as_one() -> None:
    team = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/team/*"}}
    gained = changed(statement(Action="kms:Nothing"), statement(Action="kms:Decrypt", Condition=team))
    (words,) = sentences(gained, "gained", ACCOUNT)
    assert words.startswith("whoever is like user/team/")
    assert f"(aws:PrincipalArn is like arn:aws:iam::{ACCOUNT}:user/team/*) now may Decrypt" in words


def test_an_unclear_change_says_whom_it_concerns_and_what_it_depends_on() -> None:
    own = {"StringEquals": {"kms:EncryptionContext:user": "${aws:username}"}}
    told = besides(changed(statement(Action="kms:Nothing"), statement(Action="kms:Decrypt", Condition=own)), ACCOUNT)
    assert told[0] == (
        f"not known: whether user/alice and every other user and role of account {ACCOUNT} now may Decrypt: it depends on whether "
        "EncryptionContext:user is ${aws:username} (a policy variable stands for another value in each request)"
    )


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"StringEquals": {"kms:ViaService": ["a", "b"], "aws:SourceVpc": "v"}}, "(ViaService is a or b) and aws:SourceVpc is v"),
        ({"StringEqualsIgnoreCase": {"kms:ViaService": "a"}}, "ViaService is a (in capitals or not)"),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}, "every aws:TagKeys is a (where there is one)"),
        ({"StringEquals": {"aws:PrincipalTag/x": ["1) now may (everything"]}}, 'aws:PrincipalTag/x is "1) now may (everything"'),
        ({"NumericLessThanEqualsIfExists": {"kms:RotationPeriodInDays": ["90"]}},
         "RotationPeriodInDays is at most 90 (where there is one)"),
    ],
)  # fmt: skip
def test_a_condition_is_read_in_one_way(condition: dict[str, Any], words: str) -> None:
    assert said("not given", "given", condition=condition) == f"user/bob now may Decrypt if {words}"


def test_another_grant_or_policy_may_give_it_too() -> None:
    gone = {"who": [{"principal": BOB}], "actions": ["kms:Decrypt"], "before": "given", "after": "not given"}
    assert sentences(row(kind="grant", lost=[gone]), "lost", ACCOUNT) == [
        "user/bob no longer may by this grant Decrypt"
    ]
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"
    left = {"actions": ["kms:Decrypt"], "resources": [key], "condition": PAYROLL}
    of_bob = row(kind="identity", lost=[gone | {"resources": ["*"], "condition": {}, "still": [left]}])
    assert sentences(of_bob, "lost", ACCOUNT) == [
        "user/bob no longer may by this policy Decrypt on every key (still may Decrypt on k if EncryptionContext:app is payroll)"
    ]
    came = gone | {"before": "not given", "after": "given", "resources": ["*"], "refused": [left]}
    assert sentences(row(kind="identity", gained=[came]), "gained", ACCOUNT) == [
        "user/bob now may Decrypt on every key (depends on the key's policy; but refused Decrypt on k if EncryptionContext:app is "
        "payroll)"
    ]
    again = gone | {"before": "refused", "resources": ["*"], "still": [left]}
    assert sentences(row(kind="identity", gained=[again]), "gained", ACCOUNT) == [
        "user/bob is no longer refused Decrypt on every key (still refused Decrypt on k if EncryptionContext:app is payroll)"
    ]


def test_negations_that_are_joined_stand_in_brackets() -> None:
    """Without them, two that must both fail read as one of several that may: the whole soak found it."""
    both = {
        "holds": [],
        "fails": [
            {"operator": "StringLike", "wanted": ["p*"]},
            {"operator": "StringEquals", "wanted": ["pay", "a (b) or c"]},
        ],
    }
    one = {"holds": [], "fails": [{"operator": "StringEqualsIgnoreCaseIfExists", "wanted": ["pay", "x"]}]}
    words = conditions({"conditions": [{"key": "kms:EncryptionContext:app", "any_of": [both, one]}]})
    app = "EncryptionContext:app"
    assert words == (
        f'(not ({app} is like p*) and not ({app} is pay or "a (b) or c")) or '
        f"not ({app} is pay or x (in capitals or not) (where there is one))"
    )
