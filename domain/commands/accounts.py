"""The first account's root makes accounts. The settings say which access key belongs to the first account's root.

AWS documents nothing like this: it is Keytrail's own idea that one installation hosts several accounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.arn import ACCOUNT_ID, root_arn
from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.rules import CommandRules
from domain.errors import AlreadyExists, EntityExists, InvalidRequest, NoSuchEntity
from domain.identities.account import ACTIVE, INACTIVE
from domain.log.events import (
    AccessKeyCreated,
    AccessKeyDisabled,
    AccessKeyEnding,
    AccountAliasSet,
    AccountCreated,
    ServiceRegistered,
    ServiceRemoved,
)
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """Makes a hosted account. Only the root of the installation's first account may do this."""

    account: str
    access_key: str
    host: str


def permissions_to_create(command: CreateAccount, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (may(caller, "keytrail:CreateAccount", in_account(root_arn(command.account), command.host)),)


def create(command: CreateAccount, caller: Caller, world: World) -> AccountCreated:
    """Raises InvalidRequest (not twelve digits), AlreadyExists."""
    if not ACCOUNT_ID.fullmatch(command.account):
        raise InvalidRequest("An account id has twelve digits.")
    if command.account in world.accounts:
        raise AlreadyExists(f"Account {command.account} exists already.")
    return AccountCreated(command.account, command.access_key)


@dataclass(frozen=True, slots=True)
class SetAccountAlias:
    """CreateAccountAlias and DeleteAccountAlias. An account has at most one alias, and a new one replaces it (IAM user
    guide, console_account-alias). People sign in by it, so no two accounts have the same: in a log of an earlier version two
    may, and it then names neither."""

    alias: str
    deletes: bool


def permissions_to_set_alias(command: SetAccountAlias, caller: Caller, world: World) -> tuple[Verdict, ...]:
    verb = "Delete" if command.deletes else "Create"
    return (may(caller, f"iam:{verb}AccountAlias", in_account("*", caller.account)),)


def set_alias(command: SetAccountAlias, caller: Caller, world: World) -> AccountAliasSet:
    """Raises EntityExists (an account already has this alias), NoSuchEntity (this one does not have the alias to delete)."""
    held = world.accounts[caller.account].alias
    if command.deletes and held != command.alias:
        raise NoSuchEntity(f"The account alias {command.alias} cannot be found.")
    if not command.deletes and any(each.alias == command.alias for each in world.accounts.values()):
        raise EntityExists(f"The account alias {command.alias} already exists.")
    return AccountAliasSet(caller.account, "" if command.deletes else command.alias)


def root_credential_events(world: World, account: str, access_key: str) -> list[object]:
    """The events that make the account's root have the access key that the settings name. A key that is new to the log replaces
    every other. One that the log knows changes nothing: it is active, perhaps beside one that replaces it
    (`keytrail root-credential rotate`), or it was disabled, which is for good. Otherwise a machine whose settings nobody changed
    would bring back a secret that was replaced because somebody else had it."""
    known = world.accounts.get(account)
    if known is None:
        return [AccountCreated(account, access_key)]
    if access_key in known.access_keys:
        return []
    active = [key for key, status in known.access_keys.items() if status == ACTIVE]
    return [AccessKeyCreated(account, access_key), *(AccessKeyDisabled(account, key) for key in active)]


def is_disabled(world: World, account: str, access_key: str) -> bool:
    """Whether it is an access key of the account's root that was disabled, and never works again."""
    known = world.accounts.get(account)
    return known is not None and known.access_keys.get(access_key) == INACTIVE


def require_root_key_event(event: object, world: World) -> None:
    """Whether a change of a root's access keys that Keytrail's own command asks for still makes sense. Raises ValueError."""
    match event:
        case AccessKeyCreated(account, access_key):
            if (
                account not in world.accounts
                or access_key in world.access_keys
                or access_key in world.directory.users_of
            ):
                raise ValueError("There is no such account, or the access key exists already.")
        case AccessKeyEnding(account, access_key) | AccessKeyDisabled(account, access_key):
            known = world.accounts.get(account)
            active = [] if known is None else [key for key, status in known.access_keys.items() if status == ACTIVE]
            if access_key not in active or len(active) == 1:
                raise ValueError("This root has no such active access key, or no other one.")
        case _:
            pass


def ended_root_keys(world: World, now: int) -> list[AccessKeyDisabled]:
    """The events that disable the access keys of roots whose time has come. The last active one of a root stays."""
    found = []
    for account in world.accounts.values():
        due = [key for key, at in account.ends.items() if at <= now]
        active = [key for key, status in account.access_keys.items() if status == ACTIVE]
        found += [AccessKeyDisabled(account.id, key) for key in due if set(active) - set(due)]
    return found


def service_events(world: World, wanted: Sequence[ServiceRegistered]) -> list[object]:
    """The events that make these the service principals of the installation, as the settings say."""
    known = {
        each.name: ServiceRegistered(each.name, each.account, access_key, each.alias)
        for access_key, each in world.services.items()
    }
    names = {each.service for each in wanted}
    gone: list[object] = [ServiceRemoved(name) for name in known if name not in names]
    return gone + [each for each in wanted if known.get(each.service) != each]


RULES: CommandRules = {
    CreateAccount: (permissions_to_create, create),
    SetAccountAlias: (permissions_to_set_alias, set_alias),
}
