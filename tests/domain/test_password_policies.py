"""The account's password policy as commands (IAM API reference, UpdateAccountPasswordPolicy)."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from domain.commands import login_profiles
from domain.commands.password_policies import DeletePasswordPolicy, SetPasswordPolicy
from domain.durations import DAY_MICROS
from domain.errors import NoSuchEntity
from domain.identities.password_policy import PasswordPolicy
from domain.identities.passwords import HashedPassword
from domain.log import identity_events
from domain.log.sign_in_events import PasswordPolicyDeleted, PasswordPolicySet
from domain.state.callers import caller_of
from tests.given import ACCOUNT, STRANGER, given

STRICT = PasswordPolicy(minimum_length=14, symbols=True, numbers=True, max_age=90)


def test_a_policy_is_set_whole_what_is_not_named_gets_its_default() -> None:
    lax = PasswordPolicy(minimum_length=20)
    held = PasswordPolicySet(ACCOUNT, asdict(STRICT))
    given().when(SetPasswordPolicy(STRICT)).then(held)
    given(held).when(SetPasswordPolicy(lax)).then(PasswordPolicySet(ACCOUNT, asdict(lax)))
    assert given(held).world.accounts[ACCOUNT].password_policy == STRICT


def test_a_policy_is_deleted_once_and_another_accounts_is_not_touched() -> None:
    held = PasswordPolicySet(ACCOUNT, asdict(STRICT))
    given(held).when(DeletePasswordPolicy()).then(PasswordPolicyDeleted(ACCOUNT))
    given(held).when(DeletePasswordPolicy(), STRANGER).refused(NoSuchEntity)
    given(held, PasswordPolicyDeleted(ACCOUNT)).when(DeletePasswordPolicy()).refused(NoSuchEntity)


ADA = "AIDAADA"
MAY_CHANGE = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ChangePassword","Resource":"*"}}'


@pytest.mark.parametrize(
    ("hard", "day", "reset_required", "own_policy", "allowed"),
    [
        (False, 10, False, False, False),
        (False, 31, False, False, True),  # it has to be changed to sign in
        (True, 31, False, False, False),
        (True, 31, False, True, True),
        (True, 10, True, False, True),  # an administrator has reset it
    ],
)
def test_an_administrator_resets_a_password_that_has_expired_for_good(
    hard: bool, day: int, reset_required: bool, own_policy: bool, allowed: bool
) -> None:
    """botocore, UpdateAccountPasswordPolicy, HardExpiry: whoever has iam:ChangePassword may still change it. It let in everybody
    whose password had expired, and nobody before that."""
    policies = [identity_events.InlinePolicyPut(ACCOUNT, "user", ADA, "p", MAY_CHANGE)] if own_policy else []
    world = given(
        identity_events.UserCreated(ACCOUNT, ADA, "ada", "/", {}, ""),
        identity_events.UserAccessKeyCreated(ACCOUNT, ADA, "AKIAADA"),
        identity_events.LoginProfileCreated(ACCOUNT, ADA, "password-1", "ab" * 32, reset_required),
        PasswordPolicySet(ACCOUNT, asdict(PasswordPolicy(max_age=30, hard_expiry=hard))),
        *policies,
    ).world
    world.deciding_at = day * DAY_MICROS
    command = login_profiles.ChangePassword(HashedPassword("password-2", "cd" * 32), 1)
    (verdict,) = login_profiles.permissions_to_change(command, caller_of(world, "AKIAADA", None, 0), world)
    assert verdict.allowed is allowed
