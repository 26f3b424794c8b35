"""Virtual MFA devices as commands (IAM API reference, CreateVirtualMFADevice and its family; RFC 6238, section 5.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.authorization.caller import Caller
from domain.commands.identity_policies import Tag
from domain.commands.mfa_devices import (
    CreateMfaDevice,
    DeactivateMfaDevice,
    DeleteMfaDevice,
    EnableMfaDevice,
    SynchroniseMfaDevice,
    UseMfaCode,
)
from domain.commands.users_and_groups import DeleteIdentity
from domain.errors import (
    AccessRefused,
    DeleteConflict,
    EntityExists,
    InvalidMfaCode,
    LimitExceeded,
    NoSuchEntity,
    Refusal,
)
from domain.identities.identity import USER
from domain.identities.mfa_devices import MFA, MOST_OF_USER, FoundCodes
from domain.log import identity_events as events
from domain.log.sign_in_events import MfaCodeUsed
from domain.state.callers import caller_for
from tests.given import ACCOUNT, STRANGER, Given, given

ADA, BEN = "AIDAADA", "AIDABEN"
PHONE = f"arn:aws:iam::{ACCOUNT}:mfa/phone"
A_USER = events.UserCreated(ACCOUNT, ADA, "ada", "/", {}, "")
ANOTHER = events.UserCreated(ACCOUNT, BEN, "ben", "/", {}, "")
MADE = events.MfaDeviceCreated(ACCOUNT, "phone", "/", "seed-1", "ab" * 32, {})
HAS = events.MfaDeviceEnabled(ACCOUNT, PHONE, ADA, drift=2, used=100)
CREATE = CreateMfaDevice("phone", "/", "seed-1", "ab" * 32, [])
RIGHT = FoundCodes(step=100, drift=2)


def ada(state: Given) -> Caller:
    return caller_for(state.world, f"arn:aws:iam::{ACCOUNT}:user/ada")


def test_a_device_is_made_given_synchronised_taken_back_and_deleted() -> None:
    given().when(CREATE).then(MADE)
    given(A_USER, MADE).when(EnableMfaDevice("ada", PHONE, RIGHT)).then(HAS)
    synchronised = events.MfaDeviceSynchronised(ACCOUNT, PHONE, drift=-1, used=101)
    given(A_USER, MADE, HAS).when(SynchroniseMfaDevice("ada", PHONE, FoundCodes(101, -1))).then(synchronised)
    gone = events.MfaDeviceDeactivated(ACCOUNT, PHONE, ADA)
    given(A_USER, MADE, HAS).when(DeactivateMfaDevice("ada", PHONE)).then(gone)
    given(A_USER, MADE, HAS, gone).when(DeleteMfaDevice(PHONE)).then(events.MfaDeviceDeleted(ACCOUNT, PHONE))


def test_a_name_is_taken_once_whatever_its_path_and_case() -> None:
    given(MADE).when(replace(CREATE, name="Phone", path="/team/")).refused(EntityExists)
    given(MADE, events.MfaDeviceDeleted(ACCOUNT, PHONE)).when(CREATE).then(MADE)


def test_a_device_has_one_user_and_a_user_at_most_eight() -> None:
    given(A_USER, ANOTHER, MADE, HAS).when(EnableMfaDevice("ben", PHONE, FoundCodes(200))).refused(EntityExists)
    more = [replace(MADE, name=f"phone{number}", seed=f"s{number}") for number in range(MOST_OF_USER)]
    held = [events.MfaDeviceEnabled(ACCOUNT, f"{PHONE}{number}", ADA, 0, 1) for number in range(MOST_OF_USER)]
    given(A_USER, MADE, *more, *held).when(EnableMfaDevice("ada", PHONE, RIGHT)).refused(LimitExceeded)


@pytest.mark.parametrize("command", [EnableMfaDevice, SynchroniseMfaDevice])
def test_wrong_codes_are_refused(command: type[EnableMfaDevice | SynchroniseMfaDevice]) -> None:
    history = (A_USER, MADE) if command is EnableMfaDevice else (A_USER, MADE, HAS)
    wrong = FoundCodes(fault=InvalidMfaCode.kind, message="no")
    given(*history).when(command("ada", PHONE, wrong)).refused(InvalidMfaCode)


def test_codes_that_were_seen_are_not_taken_again_by_nobody_and_on_no_way() -> None:
    gone = events.MfaDeviceDeactivated(ACCOUNT, PHONE, ADA)
    for step in (99, 100):
        seen = FoundCodes(step)
        given(A_USER, MADE, HAS).when(SynchroniseMfaDevice("ada", PHONE, seen)).refused(InvalidMfaCode)
        given(A_USER, ANOTHER, MADE, HAS, gone).when(EnableMfaDevice("ben", PHONE, seen)).refused(InvalidMfaCode)
        used = given(A_USER, MADE, HAS)
        used.when(UseMfaCode(PHONE, step), ada(used)).refused(AccessRefused)


def test_a_code_is_used_once() -> None:
    first = given(A_USER, MADE, HAS)
    first.when(UseMfaCode(PHONE, 101), ada(first)).then(MfaCodeUsed(ACCOUNT, PHONE, ADA, 101))
    again = given(A_USER, MADE, HAS, MfaCodeUsed(ACCOUNT, PHONE, ADA, 101))
    again.when(UseMfaCode(PHONE, 101), ada(again)).refused(AccessRefused)
    again.when(UseMfaCode(PHONE, 102), ada(again)).then(MfaCodeUsed(ACCOUNT, PHONE, ADA, 102))


@pytest.mark.parametrize(
    "happened",
    [
        (),
        (MADE,),
        (MADE, HAS, events.MfaDeviceDeactivated(ACCOUNT, PHONE, ADA)),
        (ANOTHER, MADE, replace(HAS, user=BEN)),
    ],
)
def test_a_code_counts_only_for_the_user_who_has_the_device(happened: tuple[object, ...]) -> None:
    state = given(A_USER, *happened)
    state.when(UseMfaCode(PHONE, 500), ada(state)).refused(AccessRefused)


def test_a_user_with_a_device_is_not_deleted_and_neither_is_the_device() -> None:
    given(A_USER, MADE, HAS).when(DeleteIdentity(USER, "ada")).refused(DeleteConflict)
    given(A_USER, MADE, HAS).when(DeleteMfaDevice(PHONE)).refused(DeleteConflict)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (EnableMfaDevice("ada", PHONE, RIGHT), NoSuchEntity),
        (DeleteMfaDevice(PHONE), NoSuchEntity),
        (Tag(MFA, PHONE, [{"Key": "a", "Value": "b"}]), NoSuchEntity),
    ],
)
def test_another_accounts_device_counts_as_missing(command: object, refusal: type[Refusal]) -> None:
    given(A_USER, MADE).when(command, STRANGER).refused(refusal)


def test_a_device_has_tags() -> None:
    tagged = events.IdentityTagged(ACCOUNT, MFA, PHONE, {"team": "payments"})
    state = given(MADE).when(Tag(MFA, PHONE, [{"Key": "team", "Value": "payments"}])).then(tagged)
    assert state is not None
    assert given(MADE, tagged).world.directory.tags(MFA, PHONE) == {"team": "payments"}


def test_a_code_that_is_used_is_no_change_to_what_anybody_may_do() -> None:
    """A change of the directory has every worker find its callers' permissions again."""
    before = given(A_USER, MADE, HAS).world.directory.changes
    assert given(A_USER, MADE, HAS, MfaCodeUsed(ACCOUNT, PHONE, ADA, 101)).world.directory.changes == before
