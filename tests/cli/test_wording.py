"""Changes in words, for people who do not program."""

from __future__ import annotations

from typing import Any

import pytest

from domain.keys.states import KEY_ACTIONS
from domain.meaning.compare import DENIES, SILENT, WORDS
from services.cli.wording import VERBS, besides, sentences, subject

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
         f"everyone else of account {ACCOUNT} now may Decrypt"),
        ("not allowed", "allowed", {"principals": [{"kind": "root", "account": "any other"}, {"kind": "service"}]},
         "every other account and every other service now may Decrypt"),
        ("not allowed", "allowed", {"actions": sorted(KEY_ACTIONS)}, "user/bob now may everything with the key"),
        ("not allowed", "allowed", {"actions": sorted(KEY_ACTIONS)[:20]},
         "user/bob now may Decrypt, Encrypt, GenerateDataKey, CreateGrant, DisableKey, CancelKeyDeletion and 14 more operations"),
        ("not given", "given", {"constraints": {"EncryptionContextSubset": {"app": "pay"}}},
         "user/bob now may Decrypt if the encryption context has app=pay"),
    ],
)  # fmt: skip
def test_a_sentence(before: str, after: str, more: dict[str, Any], words: str) -> None:
    assert said(before, after, **more) == words


def test_what_is_not_known_is_said_and_a_boundary_and_a_credential_have_their_words() -> None:
    limited = row(kind="identity", about=[BOB], boundary={"from": None, "to": f"arn:aws:iam::{ACCOUNT}:policy/edge"})
    assert besides(limited, ACCOUNT) == ["user/bob now limited to what policy/edge allows"]
    freed = row(kind="identity", about=[BOB], boundary={"from": f"arn:aws:iam::{ACCOUNT}:policy/edge", "to": None})
    assert besides(freed, ACCOUNT) == ["user/bob no longer limited by policy/edge"]
    assert besides(row(unknown=["too many cases"]), ACCOUNT) == ["not known exactly: too many cases"]
    assert besides(row(), ACCOUNT) == ["let nobody in and took nothing away"]
    named = row(keys=[{"key_id": "1234abcd-1234", "key_aliases": ["alias/payroll"]}], from_version=2, to_version=3)
    assert subject(named, ACCOUNT) == "alias/payroll 1234abcd-1234 policy v2 → v3"
