"""The account's password policy as commands (IAM API reference, UpdateAccountPasswordPolicy)."""

from __future__ import annotations

from dataclasses import asdict

from domain.commands.password_policies import DeletePasswordPolicy, SetPasswordPolicy
from domain.errors import NoSuchEntity
from domain.identities.password_policy import PasswordPolicy
from domain.log.sign_in_events import PasswordPolicyDeleted, PasswordPolicySet
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
