"""The message for a caller without permission: who asked, for what, and who can allow it."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.arn import audit_arn
from domain.authorization.caller import Caller
from domain.authorization.verdict import NO_IDENTITY_POLICY, Verdict, refusal_of
from services.audit_api.resources.routes import ROUTES
from services.cli.client import next_step

ACCOUNT = "111122223333"
BOB = Caller(f"arn:aws:iam::{ACCOUNT}:user/bob", ACCOUNT, {}, "AKIABOB")
ACTIONS = sorted({route.action for route in ROUTES if route.action})
PAGE = "docs/howto/who-may.md"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_missing_permission_is_named_with_the_page_that_gives_it(action: str) -> None:
    verdict = Verdict(False, action, audit_arn("us-east-1", ACCOUNT), NO_IDENTITY_POLICY)
    says = next_step(refusal_of(BOB, verdict).message)
    assert f"To be allowed {action}, ask whoever administers this account" in says
    assert PAGE in says
    assert "keytrail:" in (Path(__file__).parents[2] / PAGE).read_text()


@pytest.mark.parametrize(
    "message",
    [
        "What you ask about does not exist, or belongs to another account.",
        "Only principals of the first account can read a trail.",
        "User: x is not authorized to perform: kms:Decrypt on resource: y because no resource-based policy allows it",
    ],
)
def test_where_no_permission_to_ask_is_missing_nobody_is_sent_for_one(message: str) -> None:
    assert next_step(message) == ""
