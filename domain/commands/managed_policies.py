"""Managed policies and their versions.

Source: IAM API reference: CreatePolicy, CreatePolicyVersion, SetDefaultPolicyVersion, DeletePolicyVersion, DeletePolicy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_new, on_policy
from domain.commands.rules import CommandRules
from domain.commands.users_and_groups import require_new
from domain.errors import DeleteConflict, NoSuchEntity
from domain.identities import limits
from domain.identities.holders import has_holders
from domain.identities.identity import POLICY, ManagedPolicy
from domain.log.identity_events import (
    DefaultVersionSet,
    ManagedPolicyCreated,
    ManagedPolicyDeleted,
    PolicyVersionCreated,
    PolicyVersionDeleted,
)
from domain.policy.check import check_policy
from domain.policy.parse import MANAGED
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class CreatePolicy:
    id: str
    name: str
    path: str
    description: str
    document: str
    tags: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class CreateVersion:
    policy: str
    document: str
    default: bool


@dataclass(frozen=True, slots=True)
class SetDefaultVersion:
    policy: str
    version: str


@dataclass(frozen=True, slots=True)
class DeleteVersion:
    policy: str
    version: str


@dataclass(frozen=True, slots=True)
class DeletePolicy:
    policy: str


def _check(document: str) -> None:
    limits.require_size(document, limits.MANAGED, "PolicySize")
    check_policy(document, MANAGED)


def permissions_to_create(command: CreatePolicy, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_new("iam:CreatePolicy", POLICY, command.path, command.name, caller, bool(command.tags))


def create(command: CreatePolicy, caller: Caller, world: World) -> ManagedPolicyCreated:
    """Raises EntityExists, MalformedPolicy, InvalidRequest, LimitExceeded."""
    require_new(POLICY, caller.account, command.name, world)
    _check(command.document)
    tags = limits.tags_of(command.tags, {})
    return ManagedPolicyCreated(
        caller.account, command.id, command.name, command.path, command.description, command.document, tags
    )


def require_version(policy: ManagedPolicy, version: str) -> None:
    """Raises NoSuchEntity."""
    if version not in policy.versions:
        raise NoSuchEntity(f"Policy {policy.arn} version {version} does not exist or is not attachable.")


def permissions_to_create_version(command: CreateVersion, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_policy("iam:CreatePolicyVersion", command.policy, caller, world)


def create_version(command: CreateVersion, caller: Caller, world: World) -> PolicyVersionCreated:
    """Raises NoSuchEntity, MalformedPolicy, LimitExceeded (five versions)."""
    policy = world.directory.policy(command.policy, caller.account)
    _check(command.document)
    limits.require_room(len(policy.versions), limits.VERSIONS, "VersionsPerPolicy")
    version = f"v{policy.latest + 1}"
    return PolicyVersionCreated(caller.account, policy.id, version, command.document, command.default)


def permissions_to_set_default(command: SetDefaultVersion, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_policy("iam:SetDefaultPolicyVersion", command.policy, caller, world)


def set_default(command: SetDefaultVersion, caller: Caller, world: World) -> DefaultVersionSet:
    """Raises NoSuchEntity."""
    policy = world.directory.policy(command.policy, caller.account)
    require_version(policy, command.version)
    return DefaultVersionSet(caller.account, policy.id, command.version)


def permissions_to_delete_version(command: DeleteVersion, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_policy("iam:DeletePolicyVersion", command.policy, caller, world)


def delete_version(command: DeleteVersion, caller: Caller, world: World) -> PolicyVersionDeleted:
    """Raises NoSuchEntity, DeleteConflict (the version in force)."""
    policy = world.directory.policy(command.policy, caller.account)
    require_version(policy, command.version)
    if command.version == policy.default:
        raise DeleteConflict("Cannot delete the default version of a policy.")
    return PolicyVersionDeleted(caller.account, policy.id, command.version)


def permissions_to_delete(command: DeletePolicy, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_policy("iam:DeletePolicy", command.policy, caller, world)


def delete(command: DeletePolicy, caller: Caller, world: World) -> ManagedPolicyDeleted:
    """Raises NoSuchEntity, DeleteConflict (attached, a boundary, or with other versions)."""
    policy = world.directory.policy(command.policy, caller.account)
    if has_holders(world.directory, policy, caller.account):
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    return ManagedPolicyDeleted(caller.account, policy.id, policy.name)


RULES: CommandRules = {
    CreatePolicy: (permissions_to_create, create),
    CreateVersion: (permissions_to_create_version, create_version),
    SetDefaultVersion: (permissions_to_set_default, set_default),
    DeleteVersion: (permissions_to_delete_version, delete_version),
    DeletePolicy: (permissions_to_delete, delete),
}
