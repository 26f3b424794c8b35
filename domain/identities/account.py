"""The account aggregate, and the commands that make accounts and disable access keys.

An account's root user is the one identity so far. Access-key ids are public and stand in events; their secrets are
in the vault alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.access import Caller, Verdict, may_in_account
from domain.arn import ACCOUNT_ID, root_arn
from domain.errors import AlreadyExists, InvalidRequest
from domain.trail.events import AccessKeyCreated, AccessKeyDisabled, AccountCreated
from domain.world import World

ACTIVE = "Active"
INACTIVE = "Inactive"


@dataclass(frozen=True, slots=True)
class Account:
    """`access_keys`: the root's access keys, id to status (Active, Inactive)."""

    id: str
    created: int
    access_keys: Mapping[str, str] = field(default_factory=dict)

    def with_access_key(self, access_key: str, status: str) -> Account:
        return Account(self.id, self.created, {**self.access_keys, access_key: status})


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """The installation's first account hosts others; its root alone may."""

    account: str
    access_key: str
    host: str


def asks_to_create(command: CreateAccount, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (may_in_account(caller, "keytrail:CreateAccount", command.host, root_arn(command.account)),)


def create(command: CreateAccount, caller: Caller, world: World) -> AccountCreated:
    """Raises InvalidRequest (not twelve digits), AlreadyExists."""
    if not ACCOUNT_ID.fullmatch(command.account):
        raise InvalidRequest("An account id has twelve digits.")
    if command.account in world.accounts:
        raise AlreadyExists(f"Account {command.account} exists already.")
    return AccountCreated(command.account, command.access_key)


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
