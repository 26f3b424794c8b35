"""No answer presents what a trail never saw as known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.cloudtrail.judge import explained
from domain.cloudtrail.kms_changes import changes_of, is_own
from domain.policy import unseen
from services.questions.effects import ChangeEffects
from services.questions.effects import put as put_effect
from services.questions.who_can import who_can
from services.trails.judged_calls import questions_of
from services.trails.rows import case_of
from tests.domain.test_cloudtrail import fold, iam, reading
from tests.e2e.test_history import allow
from tests.e2e.test_trails import A, created, key_arn, put, record, who

KEY = key_arn(1)


def test_whom_a_grant_names_is_somebody_and_what_ends_was_there() -> None:
    """A grant's principal is known as somebody. A thing that a record removes had existed, though no record shows its
    creation."""
    session = f"arn:aws:sts::{A}:assumed-role/r9/s"
    grant = record("CreateGrant", "2024-01-01T00:00:00Z", requestParameters={"keyId": KEY, "granteePrincipal": session, "retiringPrincipal": who("carol")["arn"], "operations": ["Decrypt"]}, responseElements={"grantId": "g1"})  # fmt: skip
    world = fold(grant)
    assert {f"arn:aws:iam::{A}:role/r9", who("carol")["arn"]} <= set(world.directory.by_arn)
    gone = record("DeleteAlias", "2024-01-01T00:00:00Z", requestParameters={"aliasName": "alias/a"})
    detached = iam("DetachRolePolicy", roleName="r", policyArn="arn:aws:iam::aws:policy/X")
    version = iam("DeletePolicyVersion", policyArn=f"arn:aws:iam::{A}:policy/m", versionId="v2")
    revoked = record("RevokeGrant", "2024-01-01T00:00:00Z", requestParameters={"keyId": KEY, "grantId": "g1"})
    retired = record(
        "RetireGrant", "2024-01-01T00:00:00Z", requestParameters=None, additionalEventData={"grantId": "g1"}
    )
    for change in (gone, detached, version, revoked, retired):
        one = reading(change)
        made, begun = [], fold()
        for event in changes_of(one, begun):
            begun.position += 1
            begun.apply(event)
            made.append(event)
        assert is_own(one.operation, made[-1])


def test_a_statement_that_was_never_seen_is_in_no_answer() -> None:
    """Who could have access by something unseen, and under which policy: never by a statement of it."""
    world = fold(record("Decrypt", "2024-01-01T00:00:00Z"))
    (key_there,) = world.keys.values()
    rows = who_can(world, key_there, "kms:Decrypt")
    shown = [
        by for row in rows for path in (*row["paths"], *row["unless"]) for by in (path["by"], path.get("delegation"))
    ]
    assert {by["policy"] for by in shown if by} == {KEY, who()["arn"]}
    assert [by for by in shown if by and ("sid" in by or "version" in by or not by["unknown"])] == []


def test_unseen_statements_let_nobody_in_and_take_nothing_away() -> None:
    told = ChangeEffects()
    condition = {"StringEquals": {unseen.KEY: ["the managed policy m"]}}
    for effect in ("not given", "given"):
        put_effect(told, {"before": effect, "after": "given", "actions": ["*"], "condition": condition})
    assert (told.gained, told.lost, told.unknown) == ([], [], ["the managed policy m, which the trail never saw"])


ROLE = f"arn:aws:iam::{A}:role/app"
SESSION = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLEEXAMPLE123:i-1",
    "arn": f"arn:aws:sts::{A}:assumed-role/app/i-1",
    "accountId": A,
    "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLEEXAMPLE123", "arn": ROLE}},
}


@pytest.mark.parametrize(("grantee", "caller"), [(ROLE, SESSION), (who("bob")["arn"], who("bob"))])
def test_a_grant_lets_in_whom_it_names_before_any_record_tells_the_unique_id(
    grantee: str, caller: dict[str, Any]
) -> None:
    """As with most grants: the grant is made first, and the grantee's own calls, which tell its unique id, come after it."""
    told = {"keyId": KEY, "granteePrincipal": grantee, "operations": ["Decrypt"]}
    world = fold(
        created(1, "2024-01-01T00:00:00Z"),
        put(1, "2024-01-01T01:00:00Z", allow(who()["arn"], "kms:*")),
        record("CreateGrant", "2024-01-01T02:00:00Z", requestParameters=told, responseElements={"grantId": "g1"}),
        record("Decrypt", "2024-01-01T03:00:00Z", 1, caller),
    )
    for each, outcome in ((caller, "explained"), (who("carol"), "unexplained")):
        case = case_of(reading(record("Decrypt", "2024-01-01T03:00:00Z", 1, each)))
        assert case is not None
        (question,) = questions_of(case, world, datetime(2024, 1, 1, tzinfo=UTC))
        found, judgement = explained(*question, refused=False, denied=False)
        assert (found, judgement.by.get("grant")) == (outcome, "g1" if outcome == "explained" else None)
