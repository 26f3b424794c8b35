"""CreateGrant, RetireGrant and RevokeGrant as commands (#grants-only-allow, #grant-constraints, #child-grant-is-no-wider)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.arn import root_arn
from domain.authorization.caller import Caller, root_of
from domain.authorization.evaluate import may
from domain.commands.grants import CreateGrant, RetireGrant, RevokeGrant
from domain.errors import AccessRefused, DryRunSucceeded, GrantNotFound, InvalidArn, InvalidRequest, KeyIsDisabled
from domain.log import events, identity_events
from domain.state.callers import caller_of
from services.questions.who_can import who_can
from tests.given import ACCOUNT, OTHER, Given, a_key, arn, given, key_id
from tests.policies import user_arn

ALICE, BOB = "AIDAALICE", "AIDABOB"
SUBSET = {"EncryptionContextSubset": {"app": "x"}}


def users() -> list[object]:
    made: list[object] = []
    for unique, name in ((ALICE, "alice"), (BOB, "bob")):
        made.append(identity_events.UserCreated(ACCOUNT, unique, name, "/", {}, ""))
        made.append(identity_events.UserAccessKeyCreated(ACCOUNT, unique, f"AKIA{name}"))
    return made


def create(grantee: str = user_arn(), *operations: str, **changes: Any) -> CreateGrant:
    fields: dict[str, Any] = {
        "key": key_id(),
        "grant": "g1",
        "name": "",
        "grantees": (grantee, ""),
        "retirings": ("", ""),
        "operations": list(operations or ("Decrypt",)),
        "constraints": {},
        "dry_run": False,
    }
    return CreateGrant(**(fields | changes))


def granted(grant: str = "g1", **changes: Any) -> events.GrantCreated:
    fields: dict[str, Any] = {
        "key": key_id(),
        "grant": grant,
        "name": "",
        "grantee": user_arn(),
        "grantee_id": ALICE,
        "retiring": "",
        "retiring_id": "",
        "operations": ["Decrypt"],
        "constraints": {},
        "issued_by": ACCOUNT,
        "issuer": f"arn:aws:iam::{ACCOUNT}:root",
        "parent": "",
    }
    return events.GrantCreated(**(fields | changes))


def caller(world: Given, name: str) -> Caller:
    return caller_of(world.world, f"AKIA{name}", None, 0)


def test_a_grant_is_made_for_the_user_that_there_is_now() -> None:
    given(a_key(), *users()).when(create()).then(granted())
    given(a_key(), *users()).when(create(user_arn("nobody"))).refused(InvalidArn)
    given(a_key(), *users()).when(create("alice")).refused(InvalidArn)
    given(a_key(), *users()).when(create(f"arn:aws:iam::{ACCOUNT}:group/staff")).refused(InvalidArn)
    foreign = "arn:aws:iam::999999999999:user/far"
    given(a_key()).when(create(foreign)).then(granted(grantee=foreign, grantee_id=foreign))


@pytest.mark.parametrize(
    "changes",
    [
        {"grantees": ("", "")},
        {"grantees": (user_arn(), "Service:a.amazonaws.com")},
        {"grantees": ("", "Service:a.amazonaws.com")},
        {"retirings": (user_arn(), "Service:a.amazonaws.com")},
        {"operations": ["Sign"]},
        {"operations": []},
        {"constraints": {"EncryptionContextEquals": {str(number): "x" for number in range(9)}}},
        {"constraints": {"EncryptionContextEquals": {"a": "x" * 385}}},
    ],
)
def test_a_grant_that_says_nothing_that_can_be_is_refused(changes: dict[str, Any]) -> None:
    given(a_key(), *users()).when(create(**changes)).refused(InvalidRequest)


def test_constraints_are_for_symmetric_keys() -> None:
    rsa = a_key(spec="RSA_2048", usage="ENCRYPT_DECRYPT")
    given(rsa, *users()).when(create(constraints=SUBSET)).refused(InvalidRequest)
    given(rsa, *users()).when(create(user_arn(), "GenerateDataKey")).refused(InvalidRequest)


def test_a_name_makes_a_retry_find_the_same_grant_and_other_parameters_another() -> None:
    named = granted(name="one")
    again = create(name="one", grant="g2")
    given(a_key(), *users(), named).when(again).then(events.GrantFound(key_id(), "g1"))
    other = create(user_arn(), "Encrypt", name="one", grant="g2")
    given(a_key(), *users(), named).when(other).then(granted("g2", name="one", operations=["Encrypt"]))
    given(a_key(), *users(), granted()).when(create(grant="g2")).then(granted("g2"))


def test_a_grant_that_allows_grants_allows_narrower_ones() -> None:
    parent = granted(operations=["CreateGrant", "Decrypt"], constraints=SUBSET)
    world = given(a_key(policy=NOBODY), *users(), parent)
    who = caller(world, "alice")
    stricter = {"EncryptionContextSubset": {"app": "x", "b": "y"}}
    child = create(user_arn("bob"), constraints=stricter, grant="g2")
    world.when(child, by=who)
    assert world.outcome is not None
    assert isinstance(world.outcome.event, events.GrantCreated)
    assert world.outcome.event.parent == "g1"
    world.when(create(user_arn("bob"), grant="g2"), by=who).refused(AccessRefused, "stricter")
    world.when(create(user_arn("bob"), "Encrypt", constraints=SUBSET, grant="g2"), by=who).refused(AccessRefused)
    world.when(create(grant="g2"), by=caller(world, "bob")).refused(AccessRefused)


NOBODY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"kms:*","Resource":"*"}]}'  # fmt: skip


ANYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}'
TO_ALICE = '{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"kms:*","Resource":"*"}}]}}'  # fmt: skip


@pytest.mark.parametrize("key", [a_key(), a_key(policy=TO_ALICE.format(user_arn()), principals={user_arn(): ALICE})])
def test_whoever_may_make_any_grant_by_a_policy_may_still_do_so_with_a_grant(key: events.KeyCreated) -> None:
    """#child-grant-is-no-wider: a grant only adds to what policies allow (#grants-only-allow)."""
    by_policy = (key, *users(), identity_events.InlinePolicyPut(ACCOUNT, "user", ALICE, "p", ANYTHING))
    lends = granted(operations=["CreateGrant", "Decrypt"], constraints=SUBSET)
    for there in (by_policy, (*by_policy, lends)):
        world = given(*there)
        world.when(create(user_arn("bob"), "Encrypt", grant="g2"), by=caller(world, "alice"))
        assert isinstance(world.event, events.GrantCreated), world.outcome
        assert world.event.parent == ""


def test_of_several_grants_that_allow_grants_one_has_to_be_wide_enough() -> None:
    """#child-grant-is-no-wider: what one grant allows, another one does not take away (#grants-only-allow)."""
    narrow, decrypts, encrypts, to_account = (
        granted("g1", operations=["CreateGrant"]),
        granted("g2", operations=["CreateGrant", "Decrypt"], constraints=SUBSET),
        granted("g3", operations=["CreateGrant", "Encrypt"]),
        granted("g4", operations=["CreateGrant", "Decrypt", "Encrypt"], grantee=ACCOUNT, grantee_id=root_arn(ACCOUNT)),
    )  # the last one is for whoever has an identity policy, and alice has none
    world = given(a_key(policy=NOBODY), *users(), narrow, decrypts, encrypts, to_account)
    for operation, constraints, parent in (("Decrypt", SUBSET, "g2"), ("Encrypt", {}, "g3"), ("CreateGrant", {}, "g1")):
        asked = create(user_arn("bob"), operation, constraints=constraints, grant="g5")
        world.when(asked, by=caller(world, "alice"))
        assert isinstance(world.event, events.GrantCreated), world.outcome
        assert world.event.parent == parent
    both = create(user_arn("bob"), "Decrypt", "Encrypt", constraints=SUBSET, grant="g5")
    world.when(both, by=caller(world, "alice")).refused(AccessRefused, "the grant g1 allows")
    world.when(create(user_arn("bob"), grant="g5"), by=caller(world, "alice")).refused(AccessRefused, "stricter")


def test_a_grant_to_an_account_that_its_policies_hand_on_is_a_parent_too() -> None:
    """The grant to alice comes first and is too narrow; the one to her account needs her identity policy, which she has."""
    may_grant = ANYTHING.replace("kms:*", "kms:CreateGrant")
    to_alice = granted("g1", operations=["CreateGrant"])
    to_account = granted("g2", operations=["CreateGrant", "Decrypt"], grantee=ACCOUNT, grantee_id=root_arn(ACCOUNT))
    child = create(user_arn("bob"), grant="g3")
    there = (a_key(policy=NOBODY), *users(), to_alice, to_account)
    world = given(*there)
    world.when(child, by=caller(world, "alice")).refused(AccessRefused, "the grant g1 allows")
    world = given(*there, identity_events.InlinePolicyPut(ACCOUNT, "user", ALICE, "p", may_grant))
    world.when(child, by=caller(world, "alice"))
    assert isinstance(world.event, events.GrantCreated), world.outcome
    assert world.event.parent == "g2"


def test_who_may_retire_a_grant() -> None:
    retire = RetireGrant(arn(), "g1", False)
    done = events.GrantRetired(key_id(), "g1")
    have = (a_key(policy=NOBODY), *users())
    by_bob = granted(retiring=user_arn("bob"), retiring_id=BOB)
    world = given(*have, by_bob)
    world.when(retire, by=caller(world, "bob")).then(done)
    world.when(retire, by=caller(world, "alice")).refused(AccessRefused)
    world = given(*have, granted(operations=["RetireGrant"]))
    world.when(retire, by=caller(world, "alice")).then(done)
    world.when(retire, by=root_of(ACCOUNT)).then(done)
    world.when(retire, by=root_of(OTHER)).refused(AccessRefused)


def test_a_grant_ends_once() -> None:
    revoke = RevokeGrant(key_id(), "g1", False)
    world = given(a_key(), *users(), granted())
    who = caller(world, "alice")
    assert may(who, "kms:Decrypt", world.world.resource(world.world.keys[key_id()])).allowed
    world.when(RevokeGrant(key_id(), "g1", True)).refused(DryRunSucceeded)
    world.when(revoke).then(events.GrantRevoked(key_id(), "g1"))
    ended = given(a_key(), *users(), granted(), events.GrantRevoked(key_id(), "g1"))
    ended.when(revoke).refused(GrantNotFound)
    assert not may(who, "kms:Decrypt", ended.world.resource(ended.world.keys[key_id()])).allowed
    assert ended.world.grantees(key_id()) == {}


def test_a_disabled_key_takes_no_grant_and_lets_one_go() -> None:
    disabled = events.KeyDisabled(key_id())
    given(a_key(), *users(), disabled).when(create()).refused(KeyIsDisabled)
    given(a_key(), *users(), granted(), disabled).when(RevokeGrant(key_id(), "g1", False)).then(
        events.GrantRevoked(key_id(), "g1")
    )


MAY_RETIRE = ANYTHING.replace("kms:*", "kms:RetireGrant")
MAY_NOT = MAY_RETIRE.replace("Allow", "Deny")
LETS_BOB = NOBODY.replace("999999999999", user_arn("bob"))


@pytest.mark.parametrize("policy", [NOBODY, LETS_BOB])
@pytest.mark.parametrize("own", ["", MAY_RETIRE, MAY_NOT])
@pytest.mark.parametrize(
    "grant",
    [
        None,
        granted(),
        granted(retiring=user_arn("bob"), retiring_id=BOB),
        granted(operations=["RetireGrant"]),
        granted(issued_by=OTHER, retiring=f"arn:aws:iam::{ACCOUNT}:root", retiring_id=f"arn:aws:iam::{ACCOUNT}:root"),
    ],
)
def test_who_can_names_those_who_may_retire_a_grant(policy: str, own: str, grant: Any) -> None:
    """It asked the key policy, which does not allow this: those whom the grant names were missing."""
    policies = [identity_events.InlinePolicyPut(ACCOUNT, "user", BOB, "p", own)] if own else []
    world = given(a_key(policy=policy), *users(), *policies, *([grant] if grant else []))
    rows = {row["principal"]: row for row in who_can(world.world, world.world.keys[key_id()], "kms:RetireGrant")}
    may_retire = set()
    for who in (root_of(ACCOUNT), root_of(OTHER), caller(world, "alice"), caller(world, "bob")):
        if grant:
            world.when(RetireGrant(arn(), "g1", False), by=who)
            may_retire |= {who.principal} if world.event is not None else set()
    assert {name for name, row in rows.items() if row["for_sure"]} == set(rows) == may_retire
