"""Service principals: what a service may do for itself, what an account's principals may do through it, and who owns
what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.authorization.caller import Caller
from domain.authorization.context import RequestOrigin, Via, encryption_context, request_context
from domain.authorization.evaluate import may
from domain.commands.accounts import service_events
from domain.commands.aliases import CreateAlias, DeleteAlias
from domain.commands.change_key import DisableKey, UpdateKeyDescription
from domain.commands.delete_key import ScheduleKeyDeletion
from domain.commands.put_key_policy import PutKeyPolicy
from domain.commands.rotate_key import DisableKeyRotation
from domain.commands.service_key import CreateServiceKey
from domain.commands.tag_key import TagResource
from domain.durations import DAY_MICROS
from domain.errors import AccessRefused, AlreadyExists, CredentialDisabled, InvalidAliasName, NoSuchEntity
from domain.log import events
from domain.log import identity_events as identities
from domain.policy.default import default_key_policy, service_key_policy
from domain.state.callers import caller_of, is_known, known_as
from tests.given import ACCOUNT, OTHER, REGION, ROOT, Given, a_key, create_key, given, key_id

SERVICE, ITS_ACCOUNT, ACCESS_KEY = "backup.amazonaws.com", "999900001111", "AKIABACKUP0000000001"
REGISTERED = events.ServiceRegistered(SERVICE, ITS_ACCOUNT, ACCESS_KEY, "backup")
ALICE = identities.UserCreated(ACCOUNT, "AIDAALICE", "alice", "/", {}, "")
MAY_USE = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}})
ALLOWED_ALICE = identities.InlinePolicyPut(ACCOUNT, "user", "AIDAALICE", "may", MAY_USE)
MANAGED = a_key(
    manager=SERVICE, alias="alias/aws/backup", policy=service_key_policy("backup", ACCOUNT, REGION), locked_out=True
)


def through(situation: Given, operation: str, behalf: str = "", **said: str) -> Caller:
    """The caller of a call that the service signed."""
    via = Via(SERVICE, "backup", behalf, **said)
    caller = caller_of(situation.world, ACCESS_KEY, None, 0, via)
    origin = RequestOrigin("10.0.0.1", "tests", True, 0, REGION, "", via)
    parameters: dict[str, Any] = {}
    return caller.asking(request_context(origin, operation, parameters), encryption_context(operation, parameters))


def allowed(situation: Given, action: str, caller: Caller) -> bool:
    world = situation.world
    return may(caller, f"kms:{action}", world.resource(world.keys[key_id()])).allowed


def test_a_service_makes_the_key_that_it_manages_once_for_each_account() -> None:
    there = given(REGISTERED)
    made = there.when(CreateServiceKey(ACCOUNT, key_id(5), "ab" * 32, "f"), by=through(there, "CreateKey")).outcome
    assert made is not None
    event = made.event
    assert isinstance(event, events.KeyCreated)
    assert (event.account, event.manager, event.alias) == (ACCOUNT, SERVICE, "alias/aws/backup")
    after = given(REGISTERED, event)
    key = after.world.keys[key_id(5)]
    assert key.schedule is not None
    assert key.schedule.next == key.created + 365 * DAY_MICROS
    assert after.world.key("alias/aws/backup", ACCOUNT, aliases=True).id == key.id
    again = CreateServiceKey(ACCOUNT, key_id(6), "ab" * 32, "f")
    after.when(again, by=through(after, "CreateKey")).refused(AlreadyExists)
    after.when(CreateServiceKey(OTHER, key_id(6), "ab" * 32, "f"), by=through(after, "CreateKey"))
    assert after.outcome is not None
    assert after.outcome.event is not None
    after.when(CreateServiceKey("000000000000", key_id(6), "a", "f"), by=through(after, "CreateKey")).refused(
        NoSuchEntity
    )


def test_nobody_else_makes_one() -> None:
    given(REGISTERED).when(CreateServiceKey(ACCOUNT, key_id(5), "ab" * 32, "f"), by=ROOT).refused(AccessRefused)


def test_an_account_uses_a_managed_key_through_its_service_alone() -> None:
    there = given(REGISTERED, ALICE, ALLOWED_ALICE, MANAGED)
    alice = f"arn:aws:iam::{ACCOUNT}:user/alice"
    for action in ("Encrypt", "Decrypt", "GenerateDataKey", "ReEncryptFrom", "CreateGrant"):
        assert allowed(there, action, through(there, action, behalf=alice)), action
        assert allowed(there, action, through(there, action, behalf=ROOT.principal)), action
        assert not allowed(there, action, ROOT), action
        assert not allowed(there, action, through(there, action)), "the service for itself"
        assert not allowed(there, action, through(there, action, behalf=f"arn:aws:iam::{OTHER}:root")), (
            "another account"
        )
    for action in ("DescribeKey", "GetKeyPolicy", "ListGrants", "GetKeyRotationStatus"):
        assert allowed(there, action, ROOT), action


@pytest.mark.parametrize(
    "command",
    [
        DisableKey(key_id()),
        ScheduleKeyDeletion(key_id()),
        PutKeyPolicy(key_id(), default_key_policy(ACCOUNT), bypass_lockout_check=True),
        UpdateKeyDescription(key_id(), "mine"),
        TagResource(key_id(), [("a", "b")]),
        DisableKeyRotation(key_id()),
        DeleteAlias("alias/aws/backup"),
        CreateAlias("alias/mine", key_id()),
    ],
)
def test_an_account_does_not_change_a_key_that_a_service_manages(command: object) -> None:
    refusal = InvalidAliasName if isinstance(command, DeleteAlias) else AccessRefused
    there = given(REGISTERED, MANAGED).when(command, by=ROOT)
    assert there.outcome is not None
    assert there.outcome.decision.error is not None
    assert there.outcome.decision.error["kind"] in (refusal.kind, AccessRefused.kind)


def test_a_service_owns_keys_in_an_account_that_no_customer_sees() -> None:
    there = given(REGISTERED)
    created = there.when(create_key(), by=through(there, "CreateKey")).outcome
    assert created is not None
    event = created.event
    assert isinstance(event, events.KeyCreated)
    assert event.account == ITS_ACCOUNT
    owned = given(REGISTERED, event)
    key = owned.world.keys[event.key]
    resource = owned.world.resource(key)
    assert may(through(owned, "Encrypt"), "kms:Encrypt", resource).allowed
    assert not may(ROOT, "kms:DescribeKey", resource).allowed
    assert not may(through(owned, "Encrypt", behalf=ROOT.principal), "kms:Encrypt", resource).allowed
    assert owned.world.keys_of(ACCOUNT, "", 10) == []


def test_a_key_policy_lets_a_service_in_for_one_source() -> None:
    """IAM user guide, confused-deputy: aws:SourceArn and aws:SourceAccount, as the service says."""
    source = f"arn:aws:backup:{REGION}:{ACCOUNT}:vault/one"
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceArn": source, "aws:SourceAccount": ACCOUNT}},
        },
    }
    there = given(REGISTERED, a_key(policy=json.dumps(policy)))
    assert allowed(there, "Decrypt", through(there, "Decrypt", source_arn=source, source_account=ACCOUNT))
    assert not allowed(there, "Decrypt", through(there, "Decrypt", source_arn=source + "2", source_account=ACCOUNT))
    assert not allowed(there, "Decrypt", through(there, "Decrypt"))
    assert not allowed(there, "Decrypt", through(there, "Decrypt", behalf=ROOT.principal))


def test_a_grant_for_an_awsresource_is_one_that_a_service_asks_for() -> None:
    """Developer guide, kms:GrantIsForAWSResource."""
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": ROOT.principal},
            "Action": "kms:CreateGrant",
            "Resource": "*",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        },
    }
    there = given(REGISTERED, a_key(policy=json.dumps(policy)))
    assert allowed(there, "CreateGrant", through(there, "CreateGrant", behalf=ROOT.principal))
    direct = ROOT.asking(request_context(RequestOrigin("", "", True, 0, REGION), "CreateGrant", {}), {})
    assert not allowed(there, "CreateGrant", direct)


def test_a_credential_that_is_no_services_any_more_is_refused() -> None:
    gone = given(REGISTERED, events.ServiceRemoved(SERVICE))
    with pytest.raises(CredentialDisabled):
        caller_of(gone.world, ACCESS_KEY, None, 0, Via(SERVICE, "backup"))
    there = given(REGISTERED)
    assert is_known(there.world, ACCESS_KEY)
    assert known_as(there.world, ACCESS_KEY, None) == (ITS_ACCOUNT, SERVICE)
    with pytest.raises(CredentialDisabled, match="who is not here"):
        caller_of(there.world, ACCESS_KEY, None, 0, Via(SERVICE, "backup", f"arn:aws:iam::{ACCOUNT}:user/nobody"))
    with pytest.raises(CredentialDisabled):
        caller_of(there.world, ACCESS_KEY, None, 0, Via("other.amazonaws.com", "other"))


def test_the_settings_say_which_services_there_are() -> None:
    there = given(REGISTERED).world
    other = events.ServiceRegistered("mail.amazonaws.com", "999900002222", "AKIAMAIL000000000001", "mail")
    moved = events.ServiceRegistered(SERVICE, ITS_ACCOUNT, "AKIABACKUP0000000002", "backup")
    assert service_events(there, [REGISTERED]) == []
    assert service_events(there, [REGISTERED, other]) == [other]
    assert service_events(there, [moved]) == [moved]
    assert service_events(there, []) == [events.ServiceRemoved(SERVICE)]


def test_a_service_is_of_no_organization_and_whom_it_calls_for_is() -> None:
    there = given(REGISTERED, ALICE)
    origin = RequestOrigin("10.0.0.1", "tests", True, 0, REGION, "o-ours00000")
    context = request_context(origin, "Encrypt", {})
    behalf = f"arn:aws:iam::{ACCOUNT}:user/alice"
    for caller, organization in (
        (through(there, "Encrypt"), None),
        (through(there, "Encrypt", behalf), ("o-ours00000",)),
    ):
        assert caller.asking(context, {}).request.get("aws:principalorgid") == organization
    assert ROOT.asking(context, {}).request == context
