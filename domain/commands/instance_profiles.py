"""Instance profiles, which give a role to an EC2 instance. There are no instances here; profiles exist for tools that
make roles.

Source: IAM API reference, CreateInstanceProfile, AddRoleToInstanceProfile and their counterparts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_identity, on_new, on_profile
from domain.commands.rules import CommandRules
from domain.commands.users_and_groups import changeable, require_new
from domain.errors import DeleteConflict, LimitExceeded, NoSuchEntity
from domain.identities import limits
from domain.identities.identity import PROFILE, ROLE
from domain.log.identity_events import InstanceProfileCreated, InstanceProfileDeleted, InstanceProfileRoleSet
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class CreateProfile:
    id: str
    name: str
    path: str
    tags: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class DeleteProfile:
    name: str


@dataclass(frozen=True, slots=True)
class AddRole:
    profile: str
    role: str


@dataclass(frozen=True, slots=True)
class RemoveRole:
    profile: str
    role: str


def permissions_to_create(command: CreateProfile, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_new("iam:CreateInstanceProfile", PROFILE, command.path, command.name, caller, bool(command.tags))


def create(command: CreateProfile, caller: Caller, world: World) -> InstanceProfileCreated:
    """Raises EntityExists, InvalidRequest, LimitExceeded (tags)."""
    require_new(PROFILE, caller.account, command.name, world)
    tags = limits.tags_of(command.tags, {})
    return InstanceProfileCreated(caller.account, command.id, command.name, command.path, tags)


def permissions_to_delete(command: DeleteProfile, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_profile("iam:DeleteInstanceProfile", command.name, caller, world)


def delete(command: DeleteProfile, caller: Caller, world: World) -> InstanceProfileDeleted:
    """Raises NoSuchEntity, DeleteConflict (it has a role)."""
    profile = world.directory.profile(caller.account, command.name)
    if profile.role:
        raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
    return InstanceProfileDeleted(caller.account, profile.id, profile.name)


def permissions_to_add(command: AddRole, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """Permission on the profile, and to pass on the role (API reference: AddRoleToInstanceProfile needs iam:PassRole)."""
    on_it = on_profile("iam:AddRoleToInstanceProfile", command.profile, caller, world)
    return on_it + on_identity("PassRole", ROLE, command.role, caller, world)


def add(command: AddRole, caller: Caller, world: World) -> InstanceProfileRoleSet:
    """Raises NoSuchEntity, ProtectedRole, LimitExceeded (a profile has one role)."""
    profile = world.directory.profile(caller.account, command.profile)
    role = changeable(ROLE, caller.account, command.role, world)
    if profile.role:
        raise LimitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    return InstanceProfileRoleSet(caller.account, profile.id, role.id)


def permissions_to_remove(command: RemoveRole, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_profile("iam:RemoveRoleFromInstanceProfile", command.profile, caller, world)


def remove(command: RemoveRole, caller: Caller, world: World) -> InstanceProfileRoleSet:
    """Raises NoSuchEntity."""
    profile = world.directory.profile(caller.account, command.profile)
    role = world.directory.get(ROLE, caller.account, command.role)
    if profile.role != role.id:
        raise NoSuchEntity(f"Role {command.role} in instance profile {command.profile} cannot be found.")
    return InstanceProfileRoleSet(caller.account, profile.id, "")


RULES: CommandRules = {
    CreateProfile: (permissions_to_create, create),
    DeleteProfile: (permissions_to_delete, delete),
    AddRole: (permissions_to_add, add),
    RemoveRole: (permissions_to_remove, remove),
}
