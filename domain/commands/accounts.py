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
from domain.identities.account import ACTIVE
from domain.log.events import (
    AccessKeyCreated,
    AccessKeyDisabled,
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
    guide, console_account-alias). Only the account's own principals see it, so two accounts may have the same."""

    alias: str
    deletes: bool


def permissions_to_set_alias(command: SetAccountAlias, caller: Caller, world: World) -> tuple[Verdict, ...]:
    verb = "Delete" if command.deletes else "Create"
    return (may(caller, f"iam:{verb}AccountAlias", in_account("*", caller.account)),)


def set_alias(command: SetAccountAlias, caller: Caller, world: World) -> AccountAliasSet:
    """Raises EntityExists (the account already has this alias), NoSuchEntity (it does not have the alias to delete)."""
    held = world.accounts[caller.account].alias
    if command.deletes and held != command.alias:
        raise NoSuchEntity(f"The account alias {command.alias} cannot be found.")
    if not command.deletes and held == command.alias:
        raise EntityExists(f"The account alias {command.alias} already exists.")
    return AccountAliasSet(caller.account, "" if command.deletes else command.alias)


def root_credential_events(world: World, account: str, access_key: str) -> list[object]:
    """The events that make `access_key` the only active access key of the account's root, as the settings say."""
    known = world.accounts.get(account)
    if known is None:
        return [AccountCreated(account, access_key)]
    stale = [key for key, status in known.access_keys.items() if status == ACTIVE and key != access_key]
    events: list[object] = []
    if known.access_keys.get(access_key) != ACTIVE:
        events.append(AccessKeyCreated(account, access_key))
    return events + [AccessKeyDisabled(account, key) for key in stale]


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
