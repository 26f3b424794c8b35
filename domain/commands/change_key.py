"""EnableKey, DisableKey, UpdateKeyDescription: changes that need only the key and its state.

Source: KMS API reference of the three; developer guide, key-state.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.verdict import OTHER_ACCOUNT, Verdict
from domain.commands.rules import CommandRules
from domain.errors import UnsupportedOperation
from domain.keys.key import Key
from domain.keys.states import require_state
from domain.log.events import KeyDescribed, KeyDisabled, KeyEnabled
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class EnableKey:
    key: str


@dataclass(frozen=True, slots=True)
class DisableKey:
    key: str


@dataclass(frozen=True, slots=True)
class UpdateKeyDescription:
    key: str
    description: str


def on_own_key(action: str, reference: str, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """The permission on a key of the caller's own account, for operations that do not reach across accounts."""
    key = world.key(reference, caller.account)
    if key.account != caller.account:
        return (Verdict(False, action, key.arn, OTHER_ACCOUNT),)
    return (may(caller, action, world.resource(key)),)


def require_origin(key: Key, *origins: str) -> None:
    """Raises UnsupportedOperation for a key whose material has another origin."""
    if key.origin not in origins:
        raise UnsupportedOperation(f"{key.arn} origin is {key.origin} which is not valid for this operation.")


def permissions_to_enable(command: EnableKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:EnableKey", command.key, caller, world)


def permissions_to_disable(command: DisableKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:DisableKey", command.key, caller, world)


def permissions_to_describe(command: UpdateKeyDescription, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:UpdateKeyDescription", command.key, caller, world)


def enable(command: EnableKey, caller: Caller, world: World) -> KeyEnabled:
    """An enabled key can be enabled again: that is carried out and recorded, as AWS does."""
    key = world.key(command.key, caller.account)
    require_state("EnableKey", key.arn, key.state_at(world.now))
    return KeyEnabled(key.id)


def disable(command: DisableKey, caller: Caller, world: World) -> KeyDisabled:
    key = world.key(command.key, caller.account)
    require_state("DisableKey", key.arn, key.state_at(world.now))
    return KeyDisabled(key.id)


def describe(command: UpdateKeyDescription, caller: Caller, world: World) -> KeyDescribed:
    key = world.key(command.key, caller.account)
    require_state("UpdateKeyDescription", key.arn, key.state)
    return KeyDescribed(key.id, command.description)


RULES: CommandRules = {
    EnableKey: (permissions_to_enable, enable),
    DisableKey: (permissions_to_disable, disable),
    UpdateKeyDescription: (permissions_to_describe, describe),
}
