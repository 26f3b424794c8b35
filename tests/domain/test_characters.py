"""Characters that JSON can name but a record, a table or a recheck cannot hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.authorization.audience import Audience
from domain.characters import STANDS_FOR_NUL, visible, without_nul
from domain.decisions.again import Again
from domain.errors import MalformedPolicy
from domain.log.codec import canonical
from domain.policy.check import check_policy
from domain.policy.compile import compile_key_policy
from domain.policy.parse import KEY, parse_policy
from services.questions.decided_again import DecidedAgain
from services.questions.recheck import Rechecked
from tests.given import ACCOUNT, arn


def with_sid(sid: str) -> str:
    return f'{{"Statement":{{"Sid":"{sid}","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}}}'


@pytest.mark.parametrize("sid", [r"a\u0000b", r"\ud800", r"\udfff\ud800", r"\udbff\udffe", STANDS_FOR_NUL])
def test_no_policy_is_put_whose_decisions_could_not_be_recorded(sid: str) -> None:
    with pytest.raises(MalformedPolicy, match="which no policy may hold"):
        check_policy(with_sid(sid), KEY)


@pytest.mark.parametrize("sid", ["plain", "é", r"\u00e9", r"\ud83d\ude00", r"a\\u0000"])
def test_other_characters_and_their_escapes_are_fine(sid: str) -> None:
    check_policy(with_sid(sid), KEY)


def test_a_policy_of_an_earlier_version_is_still_read_and_its_decisions_recorded() -> None:
    """It is on the log already: what cannot be encoded is replaced when it is read."""
    policy = compile_key_policy(with_sid(r"\ud800"), arn(), 1)
    assert canonical(policy.statements[0].by.document())
    assert parse_policy(with_sid(r"a\u0000b"), KEY).statements[0].sid == "a\0b"


def test_a_nul_in_a_sid_is_no_mismatch() -> None:
    """Postgres stored another character, and the recheck compared it with the policy. So anybody who could put a policy
    could raise a false alarm of the highest severity."""
    reason = {"action": "kms:Encrypt", "resource": arn(), "effect": "deny", "by": {"sid": "a\0b"}}
    case = {
        "principal": "p",
        "account": ACCOUNT,
        "resources": [],
        "operation": "Encrypt",
        "reasons": without_nul([reason]),
        "inputs": {"evaluator": 1},
    }
    now = datetime.now(UTC)
    found = Rechecked(Audience(""))
    found.take(DecidedAgain(1, 1, b"", case, 1, now, now, Again(False, (reason,))))
    assert found.mismatches == []
    other = {**reason, "by": {"sid": "a\0c"}}
    found.take(DecidedAgain(1, 1, b"", case, 1, now, now, Again(False, (other,))))
    assert len(found.mismatches) == 1


@pytest.mark.parametrize("character", "\u115f\u1160\u3164\uffa0\u2800\u034f\ufe0f\U000e0100")
def test_letters_that_show_nothing_stand_as_escapes(character: str) -> None:
    """Python counts them as printable, but nobody would see them in a tag or Sid."""
    assert visible(f"a{character}b") == f"a{character.encode('unicode_escape').decode()}b"
