"""An identity that a trail knows only by its name keeps its policies when it gets another name. Whatever is deleted had nothing
left that IAM asks to be taken away first."""

from __future__ import annotations

from typing import Any

import pytest

from domain.identities.identity import GROUP, USER
from domain.state.world import World
from tests.domain.test_cloudtrail import fold, iam
from tests.e2e.test_history import document
from tests.e2e.test_trails import A, created, put, record, who

USE = document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
NOUNS = {USER: "User", GROUP: "Group"}


def has_policy(kind: str, name: str, policy: str) -> dict[str, Any]:
    return iam(f"Put{NOUNS[kind]}Policy", policyName=policy, policyDocument=USE, **{f"{kind}Name": name})


def renamed(kind: str, name: str, to: str) -> dict[str, Any]:
    noun = NOUNS[kind]
    return iam(f"Update{noun}", **{f"{kind}Name": name, f"new{noun}Name": to})


def policies(world: World, kind: str) -> dict[str, list[str]]:
    """By name: the inline policies that a record put. The caller of the records is not listed."""
    return {
        each.name: [name for name in each.inline if not name.startswith("keytrail-")]
        for each in sorted(world.directory.identities.values(), key=lambda each: each.name)
        if each.kind == kind and each.arn != who()["arn"]
    }


@pytest.mark.parametrize("kind", [USER, GROUP])
def test_a_name_that_is_given_again_is_somebody_else(kind: str) -> None:
    """The trail shows nobody being made: first one carol, who becomes bob, then another one, who becomes dave, and a third."""
    world = fold(
        has_policy(kind, "carol", "first"),
        renamed(kind, "carol", "bob"),
        has_policy(kind, "carol", "second"),
        renamed(kind, "carol", "dave"),
        has_policy(kind, "carol", "third"),
        has_policy(kind, "bob", "more"),
    )
    assert policies(world, kind) == {"bob": ["first", "more"], "carol": ["third"], "dave": ["second"]}
    directory = world.directory
    assert all(directory.find(kind, A, name) is not None for name in ("bob", "carol", "dave"))
    assert {each.id for each in directory.identities.values()} == set(directory.by_arn.values())


def test_whoever_is_made_under_a_name_that_was_given_away_is_there() -> None:
    """The record of CreateUser has no answer that tells the id."""
    renamed_before = (has_policy(USER, "carol", "first"), renamed(USER, "carol", "bob"))
    world = fold(*renamed_before, iam("CreateUser", userName="carol"))
    assert policies(world, USER) == {"bob": ["first"], "carol": []}
    # Told twice, it is still one user, with what was put meanwhile.
    made = iam("CreateUser", userName="carol")
    world = fold(*renamed_before, made, has_policy(USER, "carol", "own"), made)
    assert policies(world, USER) == {"bob": ["first"], "carol": ["own"]}


def test_whoever_a_policy_names_after_a_rename_is_known() -> None:
    named = {"Effect": "Allow", "Principal": {"AWS": who("carol")["arn"]}, "Action": "kms:*", "Resource": "*"}
    before = (has_policy(USER, "carol", "first"), renamed(USER, "carol", "bob"))
    world = fold(*before, created(1, "2024-01-01T01:00:00Z"), put(1, "2024-01-01T02:00:00Z", named))
    assert policies(world, USER) == {"bob": ["first"], "carol": []}
    # Her unique id, which only her own call tells, makes nobody else of her.
    world = fold(
        *before, put(1, "2024-01-01T02:00:00Z", named), record("Decrypt", "2024-01-01T03:00:00Z", 1, who("carol"))
    )
    assert policies(world, USER) == {"bob": ["first"], "carol": []}


def test_a_name_that_a_rename_takes_was_free() -> None:
    """IAM refuses a name that somebody has: whoever had it was deleted, which the trail did not see."""
    world = fold(
        has_policy(USER, "carol", "first"),
        has_policy(USER, "bob", "gone"),
        renamed(USER, "carol", "bob"),
        has_policy(USER, "bob", "more"),
        iam("DeleteUser", userName="bob"),
    )
    assert policies(world, USER) == {}
    assert set(world.directory.by_arn) == {who()["arn"]}


@pytest.mark.parametrize(
    "gone",
    [
        iam("DeleteGroup", groupName="g"),
        iam("CreateGroup", {"group": {"groupId": "AGPASECOND"}}, groupName="g"),
        iam("UpdateGroup", groupName="other", newGroupName="g"),
    ],
    ids=["deleted", "made again", "name taken"],
)
def test_a_group_that_is_deleted_had_no_members(gone: dict[str, Any]) -> None:
    """Whoever was in it can be asked about, and deleted, afterwards."""
    joined = iam("AddUserToGroup", groupName="g", userName="carol")
    world = fold(has_policy(GROUP, "g", "use"), has_policy(GROUP, "other", "use"), joined, gone)
    carol = world.directory.get(USER, A, "carol")
    assert carol.groups == ()
    assert world.directory.permissions(carol)
    world = fold(
        has_policy(GROUP, "g", "use"),
        has_policy(GROUP, "other", "use"),
        joined,
        gone,
        iam("DeleteUser", userName="carol"),
    )
    assert world.directory.find(USER, A, "carol") is None


@pytest.mark.parametrize("again", [False, True], ids=["deleted", "made again"])
def test_a_policy_that_is_deleted_was_attached_to_nobody_and_bounded_nobody(again: bool) -> None:
    arn = f"arn:aws:iam::{A}:policy/m"
    made = iam("CreatePolicy", policyName="m", policyDocument=USE)
    attached = iam("AttachUserPolicy", userName="carol", policyArn=arn)
    bounded = iam("PutUserPermissionsBoundary", userName="carol", permissionsBoundary=arn)
    answer = {"policy": {"arn": arn, "policyId": "ANPASECOND"}}
    gone = {**made, "responseElements": answer} if again else iam("DeletePolicy", policyArn=arn)
    carol = fold(made, attached, bounded, gone).directory.get(USER, A, "carol")
    assert (carol.attached, carol.boundary) == ((), "")
