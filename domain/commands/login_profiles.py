"""Users get passwords, change them, and lose them.

The API hashes a password and seals the hash into the vault before it sends the command. It compares it with the password
policy and with earlier passwords, too: no password and no hash is ever on the log. The command names the hash's row and
its digest, or what was wrong.

Source: IAM API reference, CreateLoginProfile, UpdateLoginProfile, DeleteLoginProfile and ChangePassword; IAM user guide,
id_credentials_passwords_enable-user-change (who may change an own password).
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import OWN_PASSWORD, Verdict
from domain.commands.identity_permissions import on_identity
from domain.commands.rules import CommandRules
from domain.commands.users_and_groups import owner_of_keys
from domain.errors import CommandExpired, EntityExists, InvalidUserType, NoSuchEntity, refusal
from domain.identities.identity import USER, Identity, LoginProfile
from domain.identities.password_policy import PasswordPolicy
from domain.identities.passwords import HashedPassword
from domain.log.identity_events import LoginProfileCreated, LoginProfileDeleted, PasswordChanged, PasswordResetRequired
from domain.policy.compile import StatementSource
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class CreateLoginProfile:
    """`user` "": the caller."""

    user: str
    password: HashedPassword
    reset_required: bool


@dataclass(frozen=True, slots=True)
class UpdateLoginProfile:
    """`password` is None if it stays; `reset_required` is None if that stays."""

    user: str
    password: HashedPassword | None
    reset_required: bool | None


@dataclass(frozen=True, slots=True)
class DeleteLoginProfile:
    """`user` "": the caller."""

    user: str


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """`version` is the password that the API found the old one to be right for."""

    password: HashedPassword
    version: int


def user_of(name: str, caller: Caller, world: World) -> Identity:
    """The named user, or the caller. Raises NoSuchEntity, InvalidRequest."""
    return world.directory.get(USER, caller.account, owner_of_keys(name, caller, world))


def login_of(user: Identity) -> LoginProfile:
    """Raises NoSuchEntity for a user without a password."""
    if user.login is None:
        raise NoSuchEntity(f"Login Profile for User {user.name} cannot be found.")
    return user.login


def _require_right(password: HashedPassword) -> None:
    """Raises what the API found wrong with the password."""
    if password.fault:
        raise refusal(password.fault, password.message)


def permissions_to_create(command: CreateLoginProfile, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("CreateLoginProfile", USER, owner_of_keys(command.user, caller, world), caller, world)


def create(command: CreateLoginProfile, caller: Caller, world: World) -> LoginProfileCreated:
    """Raises NoSuchEntity, EntityExists, PasswordPolicyViolation."""
    user = user_of(command.user, caller, world)
    if user.login is not None:
        raise EntityExists(f"Login Profile for user {user.name} already exists.")
    _require_right(command.password)
    password = command.password
    return LoginProfileCreated(caller.account, user.id, password.row, password.digest, command.reset_required)


def permissions_to_update(command: UpdateLoginProfile, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("UpdateLoginProfile", USER, command.user, caller, world)


def update(command: UpdateLoginProfile, caller: Caller, world: World) -> PasswordChanged | PasswordResetRequired:
    """Raises NoSuchEntity, PasswordPolicyViolation."""
    user = user_of(command.user, caller, world)
    login = login_of(user)
    required = login.reset_required if command.reset_required is None else command.reset_required
    password = command.password
    if password is None:
        return PasswordResetRequired(caller.account, user.id, required)
    _require_right(password)
    return PasswordChanged(caller.account, user.id, login.version + 1, password.row, password.digest, required)


def permissions_to_delete(command: DeleteLoginProfile, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("DeleteLoginProfile", USER, owner_of_keys(command.user, caller, world), caller, world)


def delete(command: DeleteLoginProfile, caller: Caller, world: World) -> LoginProfileDeleted:
    """Raises NoSuchEntity."""
    user = user_of(command.user, caller, world)
    login_of(user)
    return LoginProfileDeleted(caller.account, user.id)


def _calling_user(caller: Caller, world: World) -> Identity:
    """Raises InvalidUserType."""
    found = world.directory.identities.get(caller.unique)
    if found is None or found.kind != USER:
        raise InvalidUserType("Only IAM Users can change their own password.")
    return found


def permissions_to_change(command: ChangePassword, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """The account's password policy may let its users do it without a policy of their own, and whoever has to choose another
    password may; a policy that denies it still does."""
    user = _calling_user(caller, world)
    (asked,) = on_identity("ChangePassword", USER, user.name, caller, world)
    policy = world.accounts[caller.account].password_policy
    may_all = policy is not None and policy.users_may_change
    hard = policy is not None and policy.hard_expiry  # then an administrator has to reset a password that has expired
    has_to = user.login is not None and (
        user.login.reset_required or (not hard and must_change(user.login, policy, world.now))
    )
    return (own_password(asked) if may_all or has_to else asked,)


def own_password(asked: Verdict) -> Verdict:
    """The verdict of the policies, or that of the rule which lets a user change the own password although none allows it."""
    if asked.allowed or isinstance(asked.by, StatementSource):
        return asked
    return Verdict(True, asked.action, asked.resource, OWN_PASSWORD)


def must_change(login: LoginProfile | None, policy: PasswordPolicy | None, now: int) -> bool:
    """Whether a user has to choose another password before the next sign-in. `now` is microseconds since the epoch."""
    if login is None:
        return False
    return login.reset_required or (policy is not None and policy.has_expired(login.changed, now))


def change(command: ChangePassword, caller: Caller, world: World) -> PasswordChanged:
    """Raises NoSuchEntity, PasswordPolicyViolation, AccessRefused (the old password is wrong); CommandExpired if the
    password was replaced in the same moment."""
    user = _calling_user(caller, world)
    login = login_of(user)
    _require_right(command.password)
    if command.version != login.version:
        raise CommandExpired("The password was changed in the same moment; try again.")
    password = command.password
    return PasswordChanged(caller.account, user.id, login.version + 1, password.row, password.digest, False)


RULES: CommandRules = {
    CreateLoginProfile: (permissions_to_create, create),
    UpdateLoginProfile: (permissions_to_update, update),
    DeleteLoginProfile: (permissions_to_delete, delete),
    ChangePassword: (permissions_to_change, change),
}
