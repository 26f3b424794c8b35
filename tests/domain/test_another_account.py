"""A call reveals nothing of another account's resource to a caller whom the resource does not admit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.arn import alias_arn, iam_arn, key_arn
from domain.authorization.caller import root_of
from domain.commands.aliases import CreateAlias
from domain.commands.change_key import DisableKey
from domain.commands.grants import CreateGrant, RetireGrant, RevokeGrant
from domain.commands.identity_permissions import on_policy
from domain.commands.identity_policies import Attach, SetBoundary, Tag
from domain.commands.managed_policies import DeletePolicy
from domain.commands.put_key_policy import PutKeyPolicy
from domain.commands.roles import CreateRole
from domain.commands.users_and_groups import CreateUser
from domain.crypto import symmetric
from domain.errors import InvalidArn, KeyNotFound, MalformedPolicy, NoSuchEntity
from domain.identities.identity import POLICY, USER
from domain.log.events import AliasCreated, KeyDeleted
from domain.log.identity_events import (
    BoundarySet,
    IdentityDeleted,
    IdentityMoved,
    InlinePolicyPut,
    ManagedPolicyCreated,
    UserCreated,
)
from domain.policy.default import default_key_policy
from domain.state.callers import caller_for
from domain.state.principals import shown
from services.operations.encryption import decrypt_targets, re_encrypt_targets
from services.operations.grants import entry
from services.operations.rows import Request, Target
from tests.given import ACCOUNT, OTHER, REGION, Given, a_key, given, key_id
from tests.policies import policy, statement, to_identity

THERE, NOT_THERE = key_arn(REGION, OTHER, key_id(1)), key_arn(REGION, OTHER, key_id(2))
SENTENCE = (
    "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based "
    "policy explicitly denies access"
)
ANYTHING = policy(to_identity(Action="*"))
THEIRS = iam_arn(OTHER, POLICY, "/", "p")
USER_THERE, USER_NOT_THERE = iam_arn(OTHER, USER, "/", "alice"), iam_arn(OTHER, USER, "/", "nobody")


def theirs(*more: object) -> Given:
    """The other account has a key with an alias, a user and a managed policy. This account has a key."""
    return given(
        a_key(1, OTHER),
        a_key(3),
        AliasCreated(OTHER, "alias/there", key_id(1)),
        UserCreated(OTHER, "AIDATHEIRSALICE00001", "alice", "/", {}, ""),
        UserCreated(ACCOUNT, "AIDAOWNBOB0000000001", "bob", "/", {}, ""),
        ManagedPolicyCreated(OTHER, "ANPATHEIRS0000000001", "p", "/", "", ANYTHING, {"secret": "tag"}),
        *more,
    )


def grant(key: str, grantee: str) -> CreateGrant:
    return CreateGrant(key, "g" * 64, "", (grantee, ""), ("", ""), ["Encrypt"], {}, dry_run=False)


@pytest.mark.parametrize(
    "command",
    [
        DisableKey,
        lambda key: PutKeyPolicy(key, default_key_policy(ACCOUNT)),
        lambda key: grant(key, iam_arn(ACCOUNT, USER, "/", "bob")),
        lambda key: RevokeGrant(key, "g1", dry_run=False),
        lambda key: RetireGrant(key, "g1", dry_run=False),
        lambda key: CreateAlias("alias/mine", key),
    ],
)
def test_a_foreign_key_that_is_absent_is_refused_as_one_that_admits_nobody(command: Any) -> None:
    """Otherwise an ARN would be enough to learn which keys another account has."""
    there = theirs()
    answers = []
    for key in (THERE, NOT_THERE):
        there.when(command(key))
        assert there.outcome is not None
        error = there.outcome.decision.error
        assert error is not None
        answers.append((error["kind"], error["message"].replace(key, "KEY")))
    assert answers[0] == answers[1]
    assert answers[0][0] == "access-refused"
    assert answers[0][1].endswith(f"on resource: KEY {SENTENCE}")


def test_an_own_key_that_is_absent_is_still_not_found() -> None:
    theirs().when(DisableKey(key_arn(REGION, ACCOUNT, key_id(2)))).refused(KeyNotFound, "does not exist")


def test_an_id_alone_finds_another_accounts_key_only_if_the_ciphertext_names_it() -> None:
    """API reference, Decrypt, KeyId: "Enter a key ID of the KMS key that was used to encrypt the ciphertext." It says no more than
    the ciphertext, and the answer is the same whether the key exists or not. To a deleted key of its own, an account is told."""
    deleted = [a_key(4), KeyDeleted(key_id(4), ACCOUNT, [], [], [f"{4:064x}"])]
    world = theirs(*deleted).world

    def target(named: int, under: int) -> Target:
        blob = symmetric.encrypt(b"k" * 32, key_id(under), "ab" * 32, b"x", {})
        asked = Request("Decrypt", {"CiphertextBlob": blob, "KeyId": key_id(named)}, root_of(ACCOUNT))
        moved = {"CiphertextBlob": blob, "SourceKeyId": key_id(named), "DestinationKeyId": key_id(3)}
        (found,), (source, _) = (
            decrypt_targets(asked, world),
            re_encrypt_targets(Request("ReEncrypt", moved, root_of(ACCOUNT)), world),
        )
        assert (found.key, found.named) == (source.key, source.named)
        return found

    assert (target(1, 1).key, target(1, 1).named) == (world.keys[key_id(1)], None)
    assert (target(2, 2).key.id, target(2, 2).named) == (key_id(2), None)
    assert (target(3, 3).key, target(3, 3).named) == (world.keys[key_id(3)], key_id(3))
    for named, under in ((1, 3), (2, 3), (1, 2), (4, 4)):
        with pytest.raises(KeyNotFound):
            target(named, under)


def test_an_alias_is_not_resolved_for_whom_its_key_does_not_admit() -> None:
    world = theirs().world
    there = world.key(alias_arn(REGION, OTHER, "alias/there"), ACCOUNT, aliases=True)
    gone = world.key(alias_arn(REGION, OTHER, "alias/gone"), ACCOUNT, aliases=True)
    assert (there.account, gone.account) == (OTHER, OTHER)
    assert there.resource.policy is not None
    assert gone.resource.policy is not None
    assert not gone.resource.policy.statements


@pytest.mark.parametrize("kind", ["user", "role", "put"])
def test_a_foreign_policy_is_no_boundary_and_no_more_there_than_one_that_is_not(kind: str) -> None:
    there, messages = theirs(), []
    for arn in (THEIRS, THEIRS + "x"):
        trust = policy({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})
        command = {
            "user": CreateUser("AIDANEW0000000000001", "new", "/", [], arn),
            "role": CreateRole("AROANEW0000000000001", "new", "/", trust, "", 3600, [], arn),
            "put": SetBoundary(USER, "bob", arn),
        }[kind]
        there.when(command).refused(NoSuchEntity)
        assert there.outcome is not None
        assert there.outcome.decision.error is not None
        messages.append(there.outcome.decision.error["message"].replace(arn, "ARN"))
    assert messages[0] == messages[1] == "Scope ARN: ARN does not exist or is not attachable."


def test_a_boundary_that_another_account_set_before_keeps_nobody_from_deleting_the_policy() -> None:
    there = theirs(BoundarySet(ACCOUNT, USER, "AIDAOWNBOB0000000001", THEIRS))
    there.when(DeletePolicy(THEIRS), by=root_of(OTHER))
    assert there.outcome is not None
    assert there.outcome.event is not None, there.outcome.decision.error


@pytest.mark.parametrize("command", [lambda arn: Attach(USER, "bob", arn), lambda arn: Tag(POLICY, arn, [])])
def test_a_foreign_policy_is_answered_like_a_missing_one(command: Any) -> None:
    there, messages = theirs(), []
    for arn in (THEIRS, THEIRS + "x"):
        there.when(command(arn))
        assert there.outcome is not None
        assert there.outcome.decision.error is not None
        messages.append(there.outcome.decision.error["message"].replace(arn, "ARN"))
    assert messages[0] == messages[1]


NAMING: dict[str, Callable[[str], object]] = {
    "policy": lambda arn: PutKeyPolicy(
        key_id(3),
        policy(
            statement(Sid="own", Principal={"AWS": ACCOUNT}, Action="kms:*"),
            statement(Principal={"AWS": arn}, Action="kms:Encrypt"),
        ),
    ),
    "grant": lambda arn: grant(key_id(3), arn),
}


@pytest.mark.parametrize("naming", NAMING)
@pytest.mark.parametrize("arn", [USER_THERE, USER_NOT_THERE])
def test_a_foreign_principal_is_accepted_whether_or_not_it_is_there(naming: str, arn: str) -> None:
    there = theirs().when(NAMING[naming](arn))
    assert there.outcome is not None
    assert there.outcome.event is not None, there.outcome.decision.error


@pytest.mark.parametrize(("naming", "refusal"), [("policy", MalformedPolicy), ("grant", InvalidArn)])
def test_a_missing_principal_of_the_own_account_is_refused(naming: str, refusal: Any) -> None:
    theirs().when(NAMING[naming](iam_arn(ACCOUNT, USER, "/", "nobody"))).refused(refusal)


@pytest.mark.parametrize("unique", ["AIDATHEIRSALICE00001", "AIDANOBODY0000000001"])
def test_a_foreign_unique_id_is_refused_like_one_that_nobody_has(unique: str) -> None:
    theirs().when(NAMING["policy"](unique)).refused(MalformedPolicy)


def test_who_is_made_later_is_not_meant_by_an_arn_that_named_nobody() -> None:
    there = theirs().when(NAMING["policy"](USER_NOT_THERE))
    assert there.outcome is not None
    event: Any = there.outcome.event
    assert event.principals[USER_NOT_THERE] not in (USER_NOT_THERE, "")
    assert not event.principals[USER_NOT_THERE].startswith("AIDA")


def test_a_policy_shows_foreign_principals_as_they_were_written() -> None:
    """A unique id in place of a deleted user would reveal the deletion."""
    ids = {USER_THERE: "AIDATHEIRSALICE00001", USER_NOT_THERE: f"absent:{USER_NOT_THERE}"}
    text = policy(*(statement(Principal={"AWS": arn}, Action="kms:Encrypt") for arn in ids))
    gone = theirs(IdentityDeleted(OTHER, USER, "AIDATHEIRSALICE00001", "alice")).world
    moved = theirs(IdentityMoved(OTHER, USER, "AIDATHEIRSALICE00001", "alicia", "/")).world
    assert [shown(text, ids, world, ACCOUNT) for world in (theirs().world, gone, moved)] == [text] * 3


def test_conditions_of_the_caller_do_not_read_the_tags_of_a_foreign_policy() -> None:
    """A Deny that reads a tag would answer differently from one that does not."""
    deny = policy(
        to_identity(
            Effect="Deny", Action="*", Resource="*", Condition={"StringEquals": {"aws:ResourceTag/secret": "tag"}}
        ),
        to_identity(Action="*"),
    )
    world = theirs(InlinePolicyPut(ACCOUNT, USER, "AIDAOWNBOB0000000001", "deny", deny)).world
    bob = caller_for(world, iam_arn(ACCOUNT, USER, "/", "bob"))
    found = [on_policy("iam:GetPolicy", arn, bob, world)[0].document()["by"] for arn in (THEIRS, THEIRS + "x")]
    assert found[0] == found[1]


def test_a_grant_shows_a_foreign_grantee_as_it_was_written() -> None:
    """Only the key's account learns it. The grantee's own account learns that the grant is gone."""
    there = theirs().when(grant(key_id(3), USER_THERE))
    assert there.outcome is not None
    gone = IdentityDeleted(OTHER, USER, "AIDATHEIRSALICE00001", "alice")
    world = theirs(there.outcome.event, gone).world
    (held,) = world.grants[key_id(3)].values()
    assert entry(held, world, ACCOUNT)["GranteePrincipal"] == USER_THERE
    assert entry(held, world, OTHER)["GranteePrincipal"] == "AIDATHEIRSALICE00001"
