"""Changes of one second come out in an order that the service allows, whatever their ids (IAM and KMS API
references)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from domain.cloudtrail.kms_changes import BY_OPERATION, OWN
from domain.cloudtrail.order import MOST_PAIRS, Ordered, ordered
from domain.cloudtrail.slots import before
from domain.cloudtrail.steps import STEPS, step_of
from tests.domain.test_cloudtrail import fold, reading
from tests.e2e.test_history import allow, document
from tests.e2e.test_trails import A, created, key_arn, put, record, who

T = "2024-01-01T10:00:00Z"
MANAGED = f"arn:aws:iam::{A}:policy/m"
USE = document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
TRUST = document({"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"})


def iam(operation: str, at: str = T, response: Any = None, **parameters: Any) -> dict[str, Any]:
    return record(operation, at, eventSource="iam.amazonaws.com", resources=[], requestParameters=parameters, responseElements=response)  # fmt: skip


def kms(operation: str, number: int = 1, at: str = T, response: Any = None, **parameters: Any) -> dict[str, Any]:
    return record(operation, at, number, requestParameters={"keyId": key_arn(number), **parameters}, responseElements=response)  # fmt: skip


def role(name: str = "r") -> dict[str, Any]:
    return iam("CreateRole", roleName=name, assumeRolePolicyDocument=TRUST)


def at_nine(each: dict[str, Any]) -> dict[str, Any]:
    return each | {"eventTime": "2024-01-01T09:00:00Z"}


PUT = iam("PutRolePolicy", roleName="r", policyName="p", policyDocument=USE)
ATTACH = iam("AttachRolePolicy", roleName="r", policyArn=MANAGED)
POLICY = iam("CreatePolicy", policyName="m", policyDocument=USE)
GROUP = [
    iam("CreateUser", userName="u"),
    iam("CreateGroup", groupName="g"),
    iam("AddUserToGroup", userName="u", groupName="g"),
]
ACCESS_KEY = iam("CreateAccessKey", userName="u", response={"accessKey": {"accessKeyId": "AKIA1"}})
GRANT = kms("CreateGrant", granteePrincipal=who()["arn"], operations=["Decrypt"], response={"grantId": "g1"})
ALIAS = kms("CreateAlias", aliasName="alias/a")
ROLE_ARN = f"arn:aws:iam::{A}:role/r"
HISTORY: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "a role and its policy": ([], [role(), PUT]),
    "a role with a managed policy, all new": ([], [POLICY, role(), ATTACH]),
    "a role that ends with its last policies": ([role(), POLICY, PUT, ATTACH], [iam("DetachRolePolicy", roleName="r", policyArn=MANAGED), iam("DeleteRolePolicy", roleName="r", policyName="p"), iam("DeleteRole", roleName="r")]),
    "a role made again": ([role()], [iam("DeleteRole", roleName="r"), role()]),
    "a policy that was attached ends": ([role(), POLICY, ATTACH], [iam("DetachRolePolicy", roleName="r", policyArn=MANAGED), iam("DeletePolicy", policyArn=MANAGED)]),
    "a member of a group": ([], GROUP),
    "a member and its group end": (GROUP, [iam("RemoveUserFromGroup", userName="u", groupName="g"), iam("DeleteUser", userName="u"), iam("DeleteGroup", groupName="g")]),
    "a user's access key": ([], [iam("CreateUser", userName="u"), ACCESS_KEY]),
    "a user with an access key ends": ([iam("CreateUser", userName="u"), ACCESS_KEY], [iam("DeleteAccessKey", userName="u", accessKeyId="AKIA1"), iam("DeleteUser", userName="u")]),
    "versions are counted": ([POLICY], [iam("CreatePolicyVersion", policyArn=MANAGED, policyDocument=USE, response={"policyVersion": {"versionId": each}}) for each in ("v2", "v3")]),
    "a version and its choice": ([POLICY], [iam("CreatePolicyVersion", policyArn=MANAGED, policyDocument=USE, response={"policyVersion": {"versionId": "v2"}}), iam("SetDefaultPolicyVersion", policyArn=MANAGED, versionId="v2")]),
    "a key, its alias and a policy that names a new role": ([], [role(), created(1, T), put(1, T, allow(ROLE_ARN, "kms:*")), ALIAS]),
    "a grant that was ended at once": ([created(1, T)], [GRANT, kms("RevokeGrant", grantId="g1")]),
    "an alias that moves by being made again": ([created(1, T), created(2, T), ALIAS], [kms("DeleteAlias", aliasName="alias/a"), kms("CreateAlias", 2, aliasName="alias/a")]),
    "a deletion that was taken back": ([created(1, T)], [kms("ScheduleKeyDeletion", pendingWindowInDays=7), kms("CancelKeyDeletion")]),
    "a key that was disabled before its end": ([created(1, T)], [kms("DisableKey"), kms("ScheduleKeyDeletion", pendingWindowInDays=7)]),
    "a tagged new key": ([], [created(1, T), kms("TagResource", tags=[{"tagKey": "a", "tagValue": "b"}])]),
    "a name that another takes": ([iam("CreateUser", userName="u")], [iam("UpdateUser", userName="u", newUserName="v"), iam("CreateUser", userName="u")]),
}  # fmt: skip


def came_out(earlier: list[dict[str, Any]], second: list[dict[str, Any]]) -> tuple[list[str], Ordered]:
    world = fold(*map(at_nine, earlier))
    found = ordered([step_of(reading(each)) for each in second], lambda slot: before(slot, world))
    said = {each["eventID"]: each["eventName"] for each in second}
    return [said[each] for each in found.ids], found


def named(records: list[dict[str, Any]], ids: tuple[int, ...]) -> list[dict[str, Any]]:
    return [each | {"eventID": f"id-{number}"} for each, number in zip(records, ids, strict=True)]


@pytest.mark.parametrize("history", HISTORY)
def test_the_one_order_that_is_allowed_is_found_whatever_the_ids(history: str) -> None:
    earlier, second = HISTORY[history]
    depend = {"a member of a group": 2, "a role with a managed policy, all new": 2, "a member and its group end": 2}
    for ids in itertools.permutations(range(len(second))):
        operations, found = came_out(earlier, named(second, ids))
        expected = [each["eventName"] for each in second]
        free = depend.get(history, 0)
        if history == "a member and its group end":
            assert operations[0] == expected[0]
        elif free:
            assert operations[free:] == expected[free:]
        elif history.startswith(("a role that ends", "a key, its alias")):
            # Several orders are allowed here: policies go, and a role and a key are made, in any order.
            assert operations.index(expected[-1]) > 0
        else:
            assert operations == expected
        assert (found.open, found.unfit) == ([], [])


def test_a_role_ends_after_whatever_it_had_and_a_policy_names_only_who_is_there() -> None:
    earlier, second = HISTORY["a role that ends with its last policies"]
    for ids in itertools.permutations(range(3)):
        assert came_out(earlier, named(second, ids))[0][-1] == "DeleteRole"
    earlier, second = HISTORY["a key, its alias and a policy that names a new role"]
    for ids in itertools.permutations(range(4)):
        operations = came_out(earlier, named(second, ids))[0]
        assert operations.index("PutKeyPolicy") > max(operations.index("CreateRole"), operations.index("CreateKey"))


@pytest.mark.parametrize(
    "second",
    [
        [put(1, T, allow(who()["arn"], "kms:*")), put(1, T, allow(who("bob")["arn"], "kms:*"))],
        [kms("EnableKey"), kms("DisableKey")],
        [PUT, iam("PutRolePolicy", roleName="r", policyName="p", policyDocument=TRUST)],
        [PUT, iam("DeleteRolePolicy", roleName="r", policyName="p")],
        [iam("UpdateAccessKey", userName="u", accessKeyId="AKIA1", status=each) for each in ("Active", "Inactive")],
        [kms("UpdateAlias", targetKeyId=key_arn(1), aliasName="alias/a"), kms("UpdateAlias", 2, targetKeyId=key_arn(2), aliasName="alias/a")],
    ],
)  # fmt: skip
def test_changes_that_may_each_have_come_last_are_reported(second: list[dict[str, Any]]) -> None:
    earlier = [created(1, T), created(2, T), ALIAS, role(), PUT, GROUP[0], ACCESS_KEY]
    for ids in ((0, 1), (1, 0)):
        _, found = came_out(earlier, named(second, ids))
        assert (len(found.open), found.unfit) == (1, [])


def test_changes_with_the_same_result_in_either_order_are_not_reported() -> None:
    second = [
        ATTACH,
        iam("AttachRolePolicy", roleName="r", policyArn=f"{MANAGED}2"),
        PUT,
        kms("EnableKey"),
        kms("EnableKey"),
    ]
    _, found = came_out([role(), POLICY, created(1, T)], named(second, (0, 1, 2, 3, 4)))
    assert (found.open, found.unfit) == ([], [])


def test_changes_that_fit_in_no_order_are_reported_and_keep_the_usual_order() -> None:
    operations, found = came_out([role(), PUT], named([role(), iam("DeleteRole", roleName="r")], (1, 0)))
    assert (operations, found.unfit) == (["DeleteRole", "CreateRole"], [])
    operations, found = came_out([role()], named([role(), PUT], (1, 0)))
    assert (operations, len(found.unfit)) == (["CreateRole", "PutRolePolicy"], 2)


@pytest.mark.parametrize("count", [3, MOST_PAIRS + 1, MOST_PAIRS + 2, 60, 300])
def test_of_many_changes_of_one_thing_it_is_said_that_any_may_have_come_last(count: int) -> None:
    """Each may have come in the place of the last. If they are too many to try, that is said instead."""
    second = [put(1, T, allow(who(f"user-{number:03d}")["arn"], "kms:*")) for number in range(count)]
    _, found = came_out([created(1, T)], named(second, tuple(range(count))))
    assert (found.only, found.unfit) == (False, [])
    if count <= MOST_PAIRS + 1:
        assert (len(found.open), found.untried) == (count - 1, [])
        assert {last for _, last in found.open} == {found.ids[-1]}
    else:
        assert sorted(found.untried) == sorted(found.ids)


@pytest.mark.parametrize("name", ["v1", "u"])
def test_a_policy_that_is_attached_to_whoever_has_the_name_of_its_version_does_not_end(name: str) -> None:
    """A policy ends with its default version, which is spared, but not with what it is attached to."""
    attach = iam("AttachUserPolicy", userName=name, policyArn=MANAGED)
    _, found = came_out(
        [iam("CreateUser", userName=name), POLICY], named([attach, iam("DeletePolicy", policyArn=MANAGED)], (0, 1))
    )
    assert len(found.unfit) == 2


def test_many_changes_of_a_second_are_ordered_and_soon() -> None:
    second = [created(1, T)] + [kms("CreateGrant", granteePrincipal="x", operations=["Decrypt"], response={"grantId": f"g{n}"}) for n in range(400)]  # fmt: skip
    operations, found = came_out([], named(second, tuple(reversed(range(401)))))
    assert (operations[0], found.unfit) == ("CreateKey", [])


def test_every_change_has_a_step() -> None:
    assert {name for table in BY_OPERATION.values() for name in table} <= set(STEPS)


def test_every_change_says_which_event_is_its_own() -> None:
    assert {name for table in BY_OPERATION.values() for name in table} == set(OWN)


@pytest.mark.parametrize(
    ("second", "only"),
    [
        ([role(), PUT], True),
        (GROUP[:2], False),
        (GROUP, False),
        ([put(1, T, allow(who()["arn"], "kms:*")), PUT], False),
        ([kms("DisableKey"), kms("EnableKey")], False),
        ([GRANT, kms("RevokeGrant", grantId="g1")], True),
    ],
    ids=["made-then-changed", "two-things", "two-before-a-third", "a-key-and-a-role", "off-and-on", "made-then-ended"],
)
def test_whether_another_order_is_allowed_is_known(second: list[dict[str, Any]], only: bool) -> None:
    _, found = came_out([created(1, T), *([] if second[0]["eventName"] == "CreateRole" else [role()])], second)
    assert (found.only, found.unfit) == (only, [])
