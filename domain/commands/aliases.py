"""CreateAlias, UpdateAlias, DeleteAlias: each needs a permission on the alias and on every key concerned.

Source: KMS developer guide, alias-access (rule: the alias through identity policies, the key through its key policy);
API reference of the three.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.aliases.alias import Alias, require_name, require_prefix
from domain.arn import alias_arn
from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.rules import CommandRules
from domain.errors import AliasNotFound, AlreadyExists, InvalidRequest, LimitExceeded
from domain.keys.key import Key
from domain.keys.states import require_state
from domain.log.events import AliasCreated, AliasDeleted, AliasMoved
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class CreateAlias:
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class UpdateAlias:
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class DeleteAlias:
    name: str


def _target(reference: str, caller: Caller, world: World) -> Key:
    if reference.startswith("alias/") or ":alias/" in reference:
        raise InvalidRequest("Aliases must refer to keys. Not aliases")
    return world.key(reference, caller.account)


def _on_alias(action: str, name: str, caller: Caller, world: World) -> Verdict:
    return may(caller, action, in_account(alias_arn(world.region, caller.account, name), caller.account))


def _existing(name: str, caller: Caller, world: World) -> Alias:
    require_prefix(name)
    alias = world.aliases.get((caller.account, name))
    if alias is None:
        raise AliasNotFound(f"Alias {alias_arn(world.region, caller.account, name)} is not found.")
    return alias


def permissions_to_create(command: CreateAlias, caller: Caller, world: World) -> tuple[Verdict, ...]:
    require_prefix(command.name)
    key = _target(command.target, caller, world)
    action = "kms:CreateAlias"
    return _on_alias(action, command.name, caller, world), may(caller, action, world.resource(key))


def create(command: CreateAlias, caller: Caller, world: World) -> AliasCreated:
    """Raises InvalidAliasName, KeyNotFound, InvalidKeyState, AlreadyExists, LimitExceeded."""
    key = _target(command.target, caller, world)
    require_state("CreateAlias", key.arn, key.state)
    require_name(command.name)
    if (caller.account, command.name) in world.aliases:
        arn = alias_arn(world.region, caller.account, command.name)
        raise AlreadyExists(f"An alias with the name {arn} already exists")
    _require_own(key, caller)
    _require_room(key, world)
    return AliasCreated(caller.account, command.name, key.id)


def _require_room(key: Key, world: World) -> None:
    if len(world.aliases_of(key.id)) >= world.limits.aliases:
        raise LimitExceeded(f"A key has at most {world.limits.aliases} aliases.")


def _require_own(key: Key, caller: Caller) -> None:
    if key.account != caller.account:
        raise InvalidRequest("The alias and the KMS key must be in the same account and region.")


def _moved(command: UpdateAlias, caller: Caller, world: World) -> tuple[Key, Key]:
    """The key that the alias points to, and the key that it is to point to. Raises AliasNotFound, KeyNotFound."""
    alias = _existing(command.name, caller, world)
    return world.keys[alias.key], _target(command.target, caller, world)


def permissions_to_update(command: UpdateAlias, caller: Caller, world: World) -> tuple[Verdict, ...]:
    old, new = _moved(command, caller, world)
    action = "kms:UpdateAlias"
    return (
        _on_alias(action, command.name, caller, world),
        may(caller, action, world.resource(old)),
        may(caller, action, world.resource(new)),
    )


def update(command: UpdateAlias, caller: Caller, world: World) -> AliasMoved:
    """The old and the new key must have the same usage, and be both symmetric, both asymmetric or both HMAC.

    Raises AliasNotFound, KeyNotFound, InvalidKeyState, InvalidRequest, LimitExceeded.

    """
    old, new = _moved(command, caller, world)
    require_state("UpdateAlias", new.arn, new.state)
    require_name(command.name)
    _require_own(new, caller)
    if (old.usage, old.spec.pair) != (new.usage, new.spec.pair):
        alias = _existing(command.name, caller, world).arn
        raise InvalidRequest(
            f"Alias {alias} cannot be changed to key {new.arn}: its key type or key usage differs from that of "
            f"the current key {old.arn}."
        )
    if new.id != old.id:
        _require_room(new, world)
    return AliasMoved(caller.account, command.name, new.id, old.id)


def permissions_to_delete(command: DeleteAlias, caller: Caller, world: World) -> tuple[Verdict, ...]:
    alias = _existing(command.name, caller, world)
    key = world.keys[alias.key]
    action = "kms:DeleteAlias"
    return _on_alias(action, command.name, caller, world), may(caller, action, world.resource(key))


def delete(command: DeleteAlias, caller: Caller, world: World) -> AliasDeleted:
    """Raises AliasNotFound, InvalidAliasName."""
    require_name(command.name)
    alias = _existing(command.name, caller, world)
    return AliasDeleted(caller.account, command.name, alias.key)


RULES: CommandRules = {
    CreateAlias: (permissions_to_create, create),
    UpdateAlias: (permissions_to_update, update),
    DeleteAlias: (permissions_to_delete, delete),
}
