"""Users, groups, roles and policies as commands: what happens, what is refused, and what a caller may do afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.commands import identity_policies, managed_policies, roles, users_and_groups
from domain.errors import (
    AccessRefused,
    CredentialDisabled,
    CredentialExpired,
    DeleteConflict,
    EntityExists,
    InvalidInput,
    InvalidRequest,
    LimitExceeded,
    MalformedPolicy,
    NoSuchEntity,
)
from domain.log import identity_events as events
from domain.state.callers import Session, caller_of
from tests.given import ACCOUNT, STRANGER, Given, a_key, arn, given, key_id
from tests.policies import policy, statement, to_identity, user_arn

ALICE, STAFF, APP, LIMIT = "AIDAALICE", "AGPASTAFF", "AROAAPP", "ANPALIMIT"
USE = policy(to_identity())
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": user_arn()}, "Action": "sts:AssumeRole"}]})  # fmt: skip
LIMIT_ARN = f"arn:aws:iam::{ACCOUNT}:policy/limit"


def a_user(unique: str = ALICE, name: str = "alice", **changes: Any) -> events.UserCreated:
    return events.UserCreated(**({"account": ACCOUNT, "id": unique, "name": name, "path": "/", "tags": {}, "boundary": ""} | changes))  # fmt: skip


def an_access_key(access_key: str = "AKIAALICE") -> events.UserAccessKeyCreated:
    return events.UserAccessKeyCreated(ACCOUNT, ALICE, access_key)


def a_group() -> events.GroupCreated:
    return events.GroupCreated(ACCOUNT, STAFF, "staff", "/")


def a_role(**changes: Any) -> events.RoleCreated:
    fields: dict[str, Any] = {"account": ACCOUNT, "id": APP, "name": "app", "path": "/", "trust": TRUST, "principals": {user_arn(): ALICE}, "description": "", "max_session": 3600, "tags": {}, "boundary": ""}  # fmt: skip
    return events.RoleCreated(**(fields | changes))


def a_policy(document: str = USE) -> events.ManagedPolicyCreated:
    return events.ManagedPolicyCreated(ACCOUNT, LIMIT, "limit", "/", "", document, {})


def alice(world: Given) -> Caller:
    return caller_of(world.world, "AKIAALICE", None, 0)


def allowed(world: Given, caller: Caller | None = None, action: str = "kms:Encrypt") -> bool:
    return may(caller or alice(world), action, world.world.resource(world.world.keys[key_id()])).allowed


def test_a_name_is_taken_whatever_its_case() -> None:
    given(a_user()).when(users_and_groups.CreateUser("AIDATWO", "ALICE", "/", [], "")).refused(EntityExists)
    given(a_group()).when(users_and_groups.CreateGroup("AGPATWO", "Staff", "/")).refused(EntityExists)
    given(a_policy()).when(managed_policies.CreatePolicy("A", "LIMIT", "/", "", USE, [])).refused(EntityExists)
    made = users_and_groups.CreateUser("AIDATWO", "bob", "/eng/", [{"Key": "a", "Value": "b"}], "")
    given(a_user()).when(made).then(events.UserCreated(ACCOUNT, "AIDATWO", "bob", "/eng/", {"a": "b"}, ""))


def test_another_accounts_root_sees_nothing_of_it() -> None:
    given(a_user()).when(users_and_groups.DeleteIdentity("user", "alice"), by=STRANGER).refused(NoSuchEntity)
    given(a_policy()).when(managed_policies.DeletePolicy(LIMIT_ARN), by=STRANGER).refused(AccessRefused)


def test_a_user_may_what_policies_of_its_own_of_its_groups_and_attached_ones_say() -> None:
    have = (a_key(), a_user(), an_access_key())
    assert not allowed(given(*have))
    own = events.InlinePolicyPut(ACCOUNT, "user", ALICE, "use", USE)
    assert allowed(given(*have, own))
    assert not allowed(given(*have, own, events.InlinePolicyDeleted(ACCOUNT, "user", ALICE, "use")))
    joined = events.MemberAdded(ACCOUNT, STAFF, ALICE)
    groups = (a_group(), joined, events.InlinePolicyPut(ACCOUNT, "group", STAFF, "use", USE))
    assert allowed(given(*have, *groups))
    assert not allowed(given(*have, *groups, events.MemberRemoved(ACCOUNT, STAFF, ALICE)))
    attach = (a_policy(), events.PolicyAttached(ACCOUNT, "user", ALICE, LIMIT_ARN))
    assert allowed(given(*have, *attach))
    narrow = events.PolicyVersionCreated(ACCOUNT, LIMIT, "v2", policy(to_identity(Action="kms:Sign")), True)
    assert not allowed(given(*have, *attach, narrow))
    assert allowed(given(*have, *attach, narrow, events.DefaultVersionSet(ACCOUNT, LIMIT, "v1")))
    assert not allowed(given(*have, *attach, events.PolicyDetached(ACCOUNT, "user", ALICE, LIMIT_ARN)))


def test_a_boundary_limits_what_identity_policies_give() -> None:
    have = (a_key(), a_user(), an_access_key(), events.InlinePolicyPut(ACCOUNT, "user", ALICE, "use", USE))
    narrow = a_policy(policy(to_identity(Action="kms:Decrypt")))
    bounded = given(*have, narrow, events.BoundarySet(ACCOUNT, "user", ALICE, LIMIT_ARN))
    assert not allowed(bounded)
    assert allowed(bounded, action="kms:Decrypt")
    assert allowed(given(*have, narrow))


def test_what_decided_names_the_group_that_lends_the_policy() -> None:
    world = given(a_key(), a_user(), an_access_key(), a_group(), events.MemberAdded(ACCOUNT, STAFF, ALICE), events.InlinePolicyPut(ACCOUNT, "group", STAFF, "use", USE))  # fmt: skip
    verdict = may(alice(world), "kms:Encrypt", world.world.resource(world.world.keys[key_id()]))
    group = f"arn:aws:iam::{ACCOUNT}:group/staff"
    by = verdict.document()["by"]
    assert (by["policy"], by["via"]) == (f"{group}#use", group)


@pytest.mark.parametrize(
    "left",
    [
        (an_access_key(),),
        (a_group(), events.MemberAdded(ACCOUNT, STAFF, ALICE)),
        (events.InlinePolicyPut(ACCOUNT, "user", ALICE, "use", USE),),
        (a_policy(), events.PolicyAttached(ACCOUNT, "user", ALICE, LIMIT_ARN)),
    ],
)
def test_a_user_is_deleted_only_when_nothing_is_left(left: tuple[object, ...]) -> None:
    delete = users_and_groups.DeleteIdentity("user", "alice")
    given(a_user(), *left).when(delete).refused(DeleteConflict)
    given(a_user()).when(delete).then(events.IdentityDeleted(ACCOUNT, "user", ALICE, "alice"))


def test_a_policy_is_deleted_only_when_nobody_has_it() -> None:
    delete = managed_policies.DeletePolicy(LIMIT_ARN)
    given(a_policy()).when(delete).then(events.ManagedPolicyDeleted(ACCOUNT, LIMIT, "limit"))
    for held in (
        (a_user(), events.PolicyAttached(ACCOUNT, "user", ALICE, LIMIT_ARN)),
        (a_user(), events.BoundarySet(ACCOUNT, "user", ALICE, LIMIT_ARN)),
        (events.PolicyVersionCreated(ACCOUNT, LIMIT, "v2", USE, False),),
    ):
        given(a_policy(), *held).when(delete).refused(DeleteConflict)
    given(a_policy()).when(managed_policies.DeleteVersion(LIMIT_ARN, "v1")).refused(DeleteConflict)


def test_limits() -> None:
    keys = (an_access_key("AKIA1"), an_access_key("AKIA2"))
    given(a_user(), *keys).when(users_and_groups.CreateAccessKey("alice", "AKIA3")).refused(LimitExceeded)
    versions = [events.PolicyVersionCreated(ACCOUNT, LIMIT, f"v{number}", USE, False) for number in range(2, 6)]
    given(a_policy(), *versions).when(managed_policies.CreateVersion(LIMIT_ARN, USE, False)).refused(LimitExceeded)
    long = policy(*(to_identity(Sid=f"s{number}") for number in range(40)))
    given(a_user()).when(identity_policies.PutInline("user", "alice", "long", long)).refused(LimitExceeded)
    given(a_group()).when(identity_policies.PutInline("group", "staff", "long", long)).then(events.InlinePolicyPut(ACCOUNT, "group", STAFF, "long", long))  # fmt: skip
    tags = [{"Key": str(number), "Value": ""} for number in range(51)]
    given(a_user()).when(identity_policies.Tag("user", "alice", tags)).refused(LimitExceeded)
    twice = [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]
    given(a_user()).when(identity_policies.Tag("user", "alice", twice)).refused(InvalidInput)
    given(a_user()).when(identity_policies.Tag("user", "alice", [{"Key": "aws:x", "Value": ""}])).refused(InvalidInput)


def spaced(text: str, most: int, width: int = 0) -> str:
    """The policy with as many characters as the quota allows, and white space between its elements, which does not
    count."""
    bare = "".join(text.split())
    padded = bare.replace('"Action"', f'"Sid":"{"x" * (most - len(bare) - 9)}","Action"', 1)
    assert len(padded) == most
    return padded.replace(",", "," + " \n\t" * width, 1)


def is_done(there: Given) -> bool:
    return there.outcome is not None and there.outcome.event is not None


@pytest.mark.parametrize("width", [0, 9_000])
def test_white_space_does_not_count_in_a_policys_size(width: int) -> None:
    """IAM user guide, reference_iam-quotas: "IAM doesn't count white space when calculating the size of a policy"."""
    inline = {"user": 2048, "group": 5120, "role": 10_240}
    for (kind, most), name in zip(inline.items(), ("alice", "staff", "app"), strict=True):
        whole, over = spaced(USE, most, width), spaced(USE, most + 1, width)
        everybody = (a_user(), a_group(), a_role())
        assert is_done(given(*everybody).when(identity_policies.PutInline(kind, name, "p", whole)))
        given(*everybody).when(identity_policies.PutInline(kind, name, "p", over)).refused(
            LimitExceeded, f"Maximum policy size of {most} bytes exceeded for {kind} {name}"
        )
    assert is_done(given(a_policy()).when(managed_policies.CreateVersion(LIMIT_ARN, spaced(USE, 6144, width), False)))
    given(a_policy()).when(managed_policies.CreateVersion(LIMIT_ARN, spaced(USE, 6145, width), False)).refused(
        LimitExceeded, "Cannot exceed quota for PolicySize: 6144"
    )
    assert is_done(given(a_user(), a_role()).when(roles.ReplaceTrust("app", spaced(TRUST, 2048, width))))
    given(a_role()).when(roles.ReplaceTrust("app", spaced(TRUST, 2049, width))).refused(
        LimitExceeded, "Cannot exceed quota for ACLSizePerRole: 2048"
    )


def test_white_space_of_all_inline_policies_together_has_an_end() -> None:
    """Each change counts all the policies, so their total has a limit."""
    wide = spaced(USE, 200, 40_000)
    first = events.InlinePolicyPut(ACCOUNT, "role", APP, "one", wide)
    said = "The inline policies of role app have at most 131072 characters together, their white space included."
    given(a_role(), first).when(identity_policies.PutInline("role", "app", "two", wide)).refused(LimitExceeded, said)
    assert is_done(given(a_role(), first).when(identity_policies.PutInline("role", "app", "one", wide)))


def test_access_keys_and_users_die_at_once_and_their_names_are_remembered() -> None:
    have = (a_user(), an_access_key())
    assert alice(given(*have)).principal == user_arn()
    off = events.UserAccessKeyChanged(ACCOUNT, ALICE, "AKIAALICE", "Inactive")
    with pytest.raises(CredentialDisabled):
        alice(given(*have, off))
    gone = given(*have, events.UserAccessKeyDeleted(ACCOUNT, ALICE, "AKIAALICE"))
    with pytest.raises(CredentialDisabled):
        alice(gone)
    assert gone.world.directory.former["AKIAALICE"] == (ACCOUNT, user_arn())


def test_a_session_dies_with_its_role_and_on_time() -> None:
    session = Session(APP, "arn", ACCOUNT, "s1", 0, 1000)
    world = given(a_user(), a_role()).world
    assert caller_of(world, "ASIA", session, 999).principal == f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s1"
    with pytest.raises(CredentialExpired):
        caller_of(world, "ASIA", session, 1000)
    gone = given(a_user(), a_role(), events.IdentityDeleted(ACCOUNT, "role", APP, "app"))
    with pytest.raises(CredentialDisabled):
        caller_of(gone.world, "ASIA", session, 0)


def test_a_trust_policy_names_who_is_there() -> None:
    made = roles.CreateRole("AROATWO", "two", "/", TRUST, "", 3600, [], "")
    given(a_user()).when(made).then(
        events.RoleCreated(ACCOUNT, "AROATWO", "two", "/", TRUST, {user_arn(): ALICE}, "", 3600, {}, "")
    )
    given().when(made).refused(MalformedPolicy, "invalid principals")
    with_resource = json.dumps({"Statement": [statement(Action="sts:AssumeRole")]})
    given(a_user(), a_role()).when(roles.ReplaceTrust("app", with_resource)).refused(MalformedPolicy, "Resource")
    given(a_user()).when(roles.CreateRole("A", "r", "/", TRUST, "", 60, [], "")).refused(InvalidRequest)


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ({"Principal": "*"}, "should not specify a principal"),
        ({"Resource": "key/x"}, "must be in ARN format"),
        ({"Action": "Decrypt"}, "no action"),
    ],
)
def test_an_identity_policy_is_refused_in_the_words_of_aws_with_the_path(element: Any, message: str) -> None:
    document = policy(to_identity(**element))
    given(a_user()).when(identity_policies.PutInline("user", "alice", "p", document)).refused(MalformedPolicy, message)
    given(a_user()).when(identity_policies.PutInline("user", "alice", "p", document)).refused(
        MalformedPolicy, "$.Statement[0]"
    )


def test_a_user_that_is_renamed_is_still_meant() -> None:
    """The unique id stays, and with it the rights from the key policy (IAM user guide, id_users_renaming)."""
    text = policy(statement(Principal={"AWS": user_arn()}))
    key = a_key(policy=text, principals={user_arn(): ALICE})
    moved = events.IdentityMoved(ACCOUNT, "user", ALICE, "carol", "/x/")
    world = given(a_user(), an_access_key(), key, moved)
    assert alice(world).principal == f"arn:aws:iam::{ACCOUNT}:user/x/carol"
    assert allowed(world)
    assert arn() == world.world.keys[key_id()].arn
