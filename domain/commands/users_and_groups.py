"""Users, groups, membership and access keys.

Source: IAM API reference: CreateUser, UpdateUser, DeleteUser, CreateGroup, UpdateGroup, DeleteGroup, AddUserToGroup,
RemoveUserFromGroup, CreateAccessKey, UpdateAccessKey, DeleteAccessKey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_identity, on_new
from domain.commands.rules import CommandRules
from domain.errors import DeleteConflict, EntityExists, InvalidRequest, NoSuchEntity, ProtectedRole
from domain.identities import limits
from domain.identities.identity import GROUP, ROLE, USER, Identity
from domain.identities.published import AWS
from domain.log.identity_events import (
    GroupCreated,
    IdentityDeleted,
    IdentityMoved,
    MemberAdded,
    MemberRemoved,
    UserAccessKeyChanged,
    UserAccessKeyCreated,
    UserAccessKeyDeleted,
    UserCreated,
)
from domain.state.world import World

Tags = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class CreateUser:
    """`id` is the unique id that the API made."""

    id: str
    name: str
    path: str
    tags: Tags
    boundary: str


@dataclass(frozen=True, slots=True)
class CreateGroup:
    id: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class MoveIdentity:
    """UpdateUser and UpdateGroup. The name or the path is "" if it stays the same."""

    kind: str
    name: str
    new_name: str
    new_path: str


@dataclass(frozen=True, slots=True)
class DeleteIdentity:
    """DeleteUser, DeleteGroup, DeleteRole."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class AddMember:
    group: str
    user: str


@dataclass(frozen=True, slots=True)
class RemoveMember:
    group: str
    user: str


@dataclass(frozen=True, slots=True)
class CreateAccessKey:
    """`user` "": the caller."""

    user: str
    access_key: str


@dataclass(frozen=True, slots=True)
class UpdateAccessKey:
    user: str
    access_key: str
    status: str


@dataclass(frozen=True, slots=True)
class DeleteAccessKey:
    user: str
    access_key: str


def require_new(kind: str, account: str, name: str, world: World) -> None:
    """Raises EntityExists."""
    if (kind, account, name.lower()) in world.directory.ids:
        raise EntityExists(f"{kind.capitalize()} with name {name} already exists.")


def require_boundary(arn: str, account: str, world: World) -> None:
    """Raises NoSuchEntity, in the same words for a missing policy and for another account's. An account that could name
    another's policy would learn that it exists, read it, and prevent its deletion."""
    policy = world.directory.managed(arn)
    if arn and (policy is None or policy.account not in (account, AWS)):
        raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")


def permissions_to_create_user(command: CreateUser, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_new("iam:CreateUser", USER, command.path, command.name, caller, bool(command.tags))


def create_user(command: CreateUser, caller: Caller, world: World) -> UserCreated:
    """Raises EntityExists, NoSuchEntity (the boundary), InvalidRequest, LimitExceeded (tags)."""
    require_new(USER, caller.account, command.name, world)
    require_boundary(command.boundary, caller.account, world)
    tags = limits.tags_of(command.tags, {})
    return UserCreated(caller.account, command.id, command.name, command.path, tags, command.boundary)


def permissions_to_create_group(command: CreateGroup, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_new("iam:CreateGroup", GROUP, command.path, command.name, caller, tagged=False)


def create_group(command: CreateGroup, caller: Caller, world: World) -> GroupCreated:
    """Raises EntityExists."""
    require_new(GROUP, caller.account, command.name, world)
    return GroupCreated(caller.account, command.id, command.name, command.path)


def permissions_to_move(command: MoveIdentity, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """Permission under both names: IAM requires it on the old and on the new one (API reference, UpdateUser)."""
    old = on_identity("Update{}", command.kind, command.name, caller, world)
    identity = world.directory.find(command.kind, caller.account, command.name)
    path = command.new_path or (identity.path if identity else "/")
    action = f"iam:Update{command.kind.capitalize()}"
    return old + on_new(action, command.kind, path, command.new_name or command.name, caller, tagged=False)


def move(command: MoveIdentity, caller: Caller, world: World) -> IdentityMoved:
    """Raises NoSuchEntity, EntityExists."""
    identity = world.directory.get(command.kind, caller.account, command.name)
    name = command.new_name or identity.name
    if name.lower() != identity.name.lower():
        require_new(command.kind, caller.account, name, world)
    return IdentityMoved(caller.account, command.kind, identity.id, name, command.new_path or identity.path)


def permissions_to_delete(command: DeleteIdentity, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("Delete{}", command.kind, command.name, caller, world)


def changeable(kind: str, account: str, name: str, world: World) -> Identity:
    """A user, group or role that its account may change. Raises NoSuchEntity; ProtectedRole for a service-linked role."""
    found = world.directory.get(kind, account, name)
    if found.service_linked:
        raise ProtectedRole(
            f"Cannot perform the operation on the protected role '{found.name}' - this role is only modifiable by AWS"
        )
    return found


def delete(command: DeleteIdentity, caller: Caller, world: World) -> IdentityDeleted:
    """Raises NoSuchEntity; ProtectedRole; DeleteConflict while anything is attached (API reference, DeleteUser)."""
    identity = changeable(command.kind, caller.account, command.name, world)
    require_bare(identity, world)
    return IdentityDeleted(caller.account, command.kind, identity.id, identity.name)


def require_bare(identity: Identity, world: World) -> None:
    """Raises DeleteConflict while anything is attached."""
    for left, what in _left(identity, world):
        if left:
            raise DeleteConflict(f"Cannot delete entity, must {what} first.")


def _left(identity: Identity, world: World) -> list[tuple[bool, str]]:
    return [
        (bool(identity.access_keys), "delete access keys"),
        (bool(identity.groups), "remove users from group"),
        (bool(world.directory.members.get(identity.id)), "remove users from group"),
        (bool(identity.inline), "delete policies"),
        (bool(identity.attached), "detach all policies"),
        (identity.login is not None, "delete login profile"),
        (bool(world.directory.mfa.of(identity.id)), "deactivate MFA devices"),
        (bool(world.directory.profiles_of.get(identity.id)), "remove roles from instance profile"),
    ]


def _named(command: AddMember | RemoveMember, caller: Caller, world: World) -> tuple[Identity, Identity]:
    """The group and the user. Raises NoSuchEntity."""
    directory = world.directory
    return (
        directory.get(GROUP, caller.account, command.group),
        directory.get(USER, caller.account, command.user),
    )


def permissions_to_add(command: AddMember, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("AddUserTo{}", GROUP, command.group, caller, world)


def add(command: AddMember, caller: Caller, world: World) -> MemberAdded:
    """A user who is already a member stays one. Raises NoSuchEntity, LimitExceeded."""
    group, user = _named(command, caller, world)
    if group.id not in user.groups:
        limits.require_room(len(user.groups), limits.GROUPS_OF_USER, "GroupsPerUser")
    return MemberAdded(caller.account, group.id, user.id)


def permissions_to_remove(command: RemoveMember, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("RemoveUserFrom{}", GROUP, command.group, caller, world)


def remove(command: RemoveMember, caller: Caller, world: World) -> MemberRemoved:
    """Raises NoSuchEntity."""
    group, user = _named(command, caller, world)
    if group.id not in user.groups:
        raise NoSuchEntity(f"User {command.user} is not in group {command.group}.")
    return MemberRemoved(caller.account, group.id, user.id)


def owner_of_keys(user: str, caller: Caller, world: World) -> str:
    """The name of the user whose access keys are meant: the caller, if no user is named. Raises InvalidRequest if the
    caller is not a user."""
    if user:
        return user
    identity = world.directory.identities.get(caller.unique)
    if identity is None or identity.kind == ROLE:
        raise InvalidRequest("Must specify userName when calling with non-User credentials")
    return identity.name


def permissions_to_create_key(command: CreateAccessKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("CreateAccessKey", USER, owner_of_keys(command.user, caller, world), caller, world)


def create_key(command: CreateAccessKey, caller: Caller, world: World) -> UserAccessKeyCreated:
    """Raises NoSuchEntity, LimitExceeded, EntityExists."""
    user = world.directory.get(USER, caller.account, owner_of_keys(command.user, caller, world))
    limits.require_room(len(user.access_keys), limits.ACCESS_KEYS, "AccessKeysPerUser")
    if command.access_key in world.directory.users_of or command.access_key in world.access_keys:
        raise EntityExists("The access key id is taken.")
    return UserAccessKeyCreated(caller.account, user.id, command.access_key)


def _with_key(user: str, access_key: str, caller: Caller, world: World) -> Identity:
    found = world.directory.get(USER, caller.account, owner_of_keys(user, caller, world))
    if access_key not in found.access_keys:
        raise NoSuchEntity(f"The Access Key with id {access_key} cannot be found.")
    return found


def permissions_to_update_key(command: UpdateAccessKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("UpdateAccessKey", USER, owner_of_keys(command.user, caller, world), caller, world)


def update_key(command: UpdateAccessKey, caller: Caller, world: World) -> UserAccessKeyChanged:
    """Raises NoSuchEntity, InvalidRequest."""
    if command.status not in ("Active", "Inactive"):
        raise InvalidRequest("The status of an access key is Active or Inactive.")
    user = _with_key(command.user, command.access_key, caller, world)
    return UserAccessKeyChanged(caller.account, user.id, command.access_key, command.status)


def permissions_to_delete_key(command: DeleteAccessKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("DeleteAccessKey", USER, owner_of_keys(command.user, caller, world), caller, world)


def delete_key(command: DeleteAccessKey, caller: Caller, world: World) -> UserAccessKeyDeleted:
    """Raises NoSuchEntity."""
    user = _with_key(command.user, command.access_key, caller, world)
    return UserAccessKeyDeleted(caller.account, user.id, command.access_key)


RULES: CommandRules = {
    CreateUser: (permissions_to_create_user, create_user),
    CreateGroup: (permissions_to_create_group, create_group),
    MoveIdentity: (permissions_to_move, move),
    DeleteIdentity: (permissions_to_delete, delete),
    AddMember: (permissions_to_add, add),
    RemoveMember: (permissions_to_remove, remove),
    CreateAccessKey: (permissions_to_create_key, create_key),
    UpdateAccessKey: (permissions_to_update_key, update_key),
    DeleteAccessKey: (permissions_to_delete_key, delete_key),
}
