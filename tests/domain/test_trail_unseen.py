"""No answer presents what a trail never saw as known."""

from __future__ import annotations

from domain.cloudtrail.kms_changes import changes_of, is_own
from domain.policy import unseen
from services.questions.effects import ChangeEffects
from services.questions.effects import put as put_effect
from services.questions.who_can import who_can
from tests.domain.test_cloudtrail import fold, iam, reading
from tests.e2e.test_trails import A, key_arn, record, who

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
