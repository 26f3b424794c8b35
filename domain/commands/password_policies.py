"""The account's password policy is set whole, and deleted.

Source: IAM API reference, UpdateAccountPasswordPolicy ("does not support partial updates") and DeleteAccountPasswordPolicy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.rules import CommandRules
from domain.errors import NoSuchEntity
from domain.identities.password_policy import PasswordPolicy
from domain.log.sign_in_events import PasswordPolicyDeleted, PasswordPolicySet
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class SetPasswordPolicy:
    policy: PasswordPolicy


@dataclass(frozen=True, slots=True)
class DeletePasswordPolicy:
    pass


def permissions_to_set(command: SetPasswordPolicy, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (may(caller, "iam:UpdateAccountPasswordPolicy", in_account("*", caller.account)),)


def set_policy(command: SetPasswordPolicy, caller: Caller, world: World) -> PasswordPolicySet:
    return PasswordPolicySet(caller.account, asdict(command.policy))


def permissions_to_delete(command: DeletePasswordPolicy, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (may(caller, "iam:DeleteAccountPasswordPolicy", in_account("*", caller.account)),)


def delete_policy(command: DeletePasswordPolicy, caller: Caller, world: World) -> PasswordPolicyDeleted:
    """Raises NoSuchEntity."""
    policy_of(caller.account, world)
    return PasswordPolicyDeleted(caller.account)


def policy_of(account: str, world: World) -> PasswordPolicy:
    """Raises NoSuchEntity if the account has no policy of its own."""
    policy = world.accounts[account].password_policy
    if policy is None:
        raise NoSuchEntity(f"The Password Policy with domain name {account} cannot be found.")
    return policy


RULES: CommandRules = {
    SetPasswordPolicy: (permissions_to_set, set_policy),
    DeletePasswordPolicy: (permissions_to_delete, delete_policy),
}
