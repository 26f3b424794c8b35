"""Roles and users that are deleted, while their sessions go on calling for hours; keys that a record does not show."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from domain.cloudtrail.judge import explained
from domain.state.world import World
from services.trails.importer import _RecordWriter
from services.trails.judged_calls import questions_of
from services.trails.prepared import RecordPreparer
from services.trails.rows import case_of
from services.trails.wrappers import FoundRecord
from tests.domain.test_cloudtrail import JANUARY, fold, iam, reading
from tests.e2e.test_history import document
from tests.e2e.test_trails import A, created, key_arn, record

FIRST, SECOND = "AROAAAAAAAAAAAAAAAAA1", "AROAAAAAAAAAAAAAAAAA2"
ARN = f"arn:aws:iam::{A}:role/app"
TRUST = document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
USE = document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
MADE, EARLY, LATE = "2024-01-01T00:00:00Z", "2024-01-01T00:30:00Z", "2024-01-01T02:00:00Z"
GONE = iam("DeleteRole", roleName="app")


def role_made(unique: str) -> dict[str, Any]:
    answer = {"role": {"roleId": unique, "roleName": "app", "arn": ARN}}
    return iam("CreateRole", answer, roleName="app", assumeRolePolicyDocument=TRUST)


def call_of(unique: str, at: str, **more: Any) -> dict[str, Any]:
    issuer = {"type": "Role", "principalId": unique, "arn": ARN, "accountId": A}
    session = {
        "type": "AssumedRole",
        "principalId": f"{unique}:s",
        "arn": f"arn:aws:sts::{A}:assumed-role/app/s",
        "accountId": A,
        "sessionContext": {"sessionIssuer": issuer},
    }
    return record("Decrypt", at, 1, session, **more)


STALE = call_of(FIRST, LATE, errorCode="AccessDenied", errorMessage="x")
NEXT = (role_made(SECOND), iam("PutRolePolicy", roleName="app", policyName="p", policyDocument=USE))


def roles(world: World) -> dict[str, list[str]]:
    """By unique id: the role's inline policies."""
    return {each.id: list(each.inline) for each in world.directory.identities.values() if each.kind == "role"}


def outcome(call: dict[str, Any], world: World) -> str:
    case = case_of(reading(call))
    assert case is not None
    (question,) = questions_of(json.loads(json.dumps(case)), world, JANUARY)
    denied = bool(call.get("errorCode"))
    return explained(*question, refused=denied, denied=denied)[0]


def test_a_session_does_not_bring_its_deleted_role_back() -> None:
    """Its credentials are good for up to twelve hours (IAM user guide, id_roles_use)."""
    assert roles(fold(created(1, MADE), role_made(FIRST), GONE, STALE)) == {}
    world = fold(created(1, MADE), role_made(FIRST), GONE, *NEXT, STALE)
    assert roles(world) == {SECOND: ["p"]}
    assert outcome(call_of(SECOND, LATE), world) == "explained"


def test_a_session_of_a_deleted_role_is_not_of_the_next_role_with_that_name() -> None:
    """What the next role may do explains none of its calls, and makes none strange."""
    world = fold(created(1, MADE), role_made(FIRST), GONE, *NEXT, STALE)
    assert outcome(STALE, world) == "open"


@pytest.mark.parametrize("next_role", [(), NEXT], ids=["deleted", "made again"])
def test_a_trail_is_the_same_whether_a_later_record_of_a_caller_is_kept(next_role: tuple[dict[str, Any], ...]) -> None:
    """An import keeps the first record of each caller. So two imports of two files keep a record more than one import of
    both does."""
    before = (created(1, MADE), role_made(FIRST), call_of(FIRST, EARLY), GONE, *next_role)
    once, twice = fold(*before), fold(*before, STALE)
    assert (roles(once), once.directory.by_arn) == (roles(twice), twice.directory.by_arn)
    assert outcome(STALE, once) == outcome(STALE, twice)


def kept(*records: dict[str, Any]) -> list[dict[str, Any]]:
    """The records that an import keeps whole: those that the fold of the trail reads."""
    preparing, writing, found = RecordPreparer(), _RecordWriter(cast(Any, None), "trail"), []
    for each in records:
        prepared = preparing.prepare(FoundRecord("file", "line", json.dumps(each).encode()))
        assert prepared.kind is not None
        assert prepared.at is not None
        if writing._meets(prepared.kind, prepared.at) or prepared.kind.changes:
            found.append(each)
    return found


@pytest.mark.parametrize("later", ["Decrypt", "CreateAlias", "DescribeKey"])
def test_a_key_that_was_not_found_at_first_is_there_from_its_first_use(later: str) -> None:
    """As where somebody asked for it in the wrong Region. The record of its use was not kept, since another named the key first,
    so that every call of the key stayed open."""
    lost = record("DescribeKey", MADE, errorCode="NotFoundException", errorMessage="Invalid arn us-west-2")
    told = {"aliasName": "alias/a", "targetKeyId": key_arn(1)} if later == "CreateAlias" else {"keyId": key_arn(1)}
    alias = [{"ARN": f"arn:aws:kms:us-west-2:{A}:alias/a"}]
    used = record(later, LATE, requestParameters=told, resources=alias if later == "DescribeKey" else [])
    assert list(fold(*kept(lost)).keys) == []
    for order in ((lost, used), (used, lost)):
        assert list(fold(*sorted(kept(*order), key=lambda each: str(each["eventTime"]))).keys) == [
            key_arn(1).rpartition("/")[2]
        ]
