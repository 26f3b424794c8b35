"""Accounts are made by the first account's root; which access key is the first root's own, the settings say.

AWS documents nothing like this: that one installation hosts several accounts is Keytrail's own idea.
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
    """The installation's first account hosts others; its root alone may."""

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
    """CreateAccountAlias and DeleteAccountAlias: an account has one alias at most, and another replaces it (IAM user guide,
    console_account-alias). It names the account to its own people alone, so two accounts may have the same."""

    alias: str
    deletes: bool


def permissions_to_set_alias(command: SetAccountAlias, caller: Caller, world: World) -> tuple[Verdict, ...]:
    verb = "Delete" if command.deletes else "Create"
    return (may(caller, f"iam:{verb}AccountAlias", in_account("*", caller.account)),)


def set_alias(command: SetAccountAlias, caller: Caller, world: World) -> AccountAliasSet:
    """Raises EntityExists (the alias is this account's already), NoSuchEntity (another or none is deleted)."""
    held = world.accounts[caller.account].alias
    if command.deletes and held != command.alias:
        raise NoSuchEntity(f"The account alias {command.alias} cannot be found.")
    if not command.deletes and held == command.alias:
        raise EntityExists(f"The account alias {command.alias} already exists.")
    return AccountAliasSet(caller.account, "" if command.deletes else command.alias)


def root_credential_events(world: World, account: str, access_key: str) -> list[object]:
    """What makes `access_key` the one active access key of the account's root: the settings say which it is."""
    known = world.accounts.get(account)
    if known is None:
        return [AccountCreated(account, access_key)]
    stale = [key for key, status in known.access_keys.items() if status == ACTIVE and key != access_key]
    events: list[object] = []
    if known.access_keys.get(access_key) != ACTIVE:
        events.append(AccessKeyCreated(account, access_key))
    return events + [AccessKeyDisabled(account, key) for key in stale]


def service_events(world: World, wanted: Sequence[ServiceRegistered]) -> list[object]:
    """What makes these the service principals of the installation: the settings say which they are."""
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
