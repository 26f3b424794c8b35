"""Changes what an identity has: inline policies, attached managed policies, a permissions boundary, tags.

Source: IAM API reference: Put, Delete, Attach and Detach of User, Group and Role policies; the permissions boundaries'
operations; Tag and Untag of User, Role and Policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_identity, on_mfa_device, on_oidc_provider, on_policy, on_profile
from domain.commands.rules import CommandRules
from domain.commands.users_and_groups import changeable, require_boundary
from domain.errors import NoSuchEntity
from domain.identities import limits
from domain.identities.holders import attachable
from domain.identities.identity import POLICY, PROFILE
from domain.identities.mfa_devices import MFA
from domain.identities.oidc_providers import OIDC
from domain.log.identity_events import (
    BoundarySet,
    IdentityTagged,
    IdentityUntagged,
    InlinePolicyDeleted,
    InlinePolicyPut,
    PolicyAttached,
    PolicyDetached,
)
from domain.policy.check import check_policy
from domain.policy.parse import INLINE
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class PutInline:
    kind: str
    name: str
    policy: str
    document: str


@dataclass(frozen=True, slots=True)
class DeleteInline:
    kind: str
    name: str
    policy: str


@dataclass(frozen=True, slots=True)
class Attach:
    kind: str
    name: str
    policy: str


@dataclass(frozen=True, slots=True)
class Detach:
    kind: str
    name: str
    policy: str


@dataclass(frozen=True, slots=True)
class SetBoundary:
    kind: str
    name: str
    policy: str


@dataclass(frozen=True, slots=True)
class RemoveBoundary:
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Tag:
    """`name` is a user's, role's or instance profile's name, or a managed policy's ARN."""

    kind: str
    name: str
    tags: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Untag:
    kind: str
    name: str
    keys: Sequence[str]


def permissions_to_put(command: PutInline, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("Put{}Policy", command.kind, command.name, caller, world, bounded=True)


def put(command: PutInline, caller: Caller, world: World) -> InlinePolicyPut:
    """Raises NoSuchEntity, ProtectedRole, MalformedPolicy, LimitExceeded."""
    identity = changeable(command.kind, caller.account, command.name, world)
    limits.require_inline_room(identity, command.policy, command.document)
    check_policy(command.document, INLINE)
    return InlinePolicyPut(caller.account, command.kind, identity.id, command.policy, command.document)


def permissions_to_delete(command: DeleteInline, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("Delete{}Policy", command.kind, command.name, caller, world, bounded=True)


def delete(command: DeleteInline, caller: Caller, world: World) -> InlinePolicyDeleted:
    """Raises NoSuchEntity, ProtectedRole."""
    identity = changeable(command.kind, caller.account, command.name, world)
    if command.policy not in identity.inline:
        raise no_inline(command.kind, command.policy)
    return InlinePolicyDeleted(caller.account, command.kind, identity.id, command.policy)


def no_inline(kind: str, policy: str) -> NoSuchEntity:
    return NoSuchEntity(f"The {kind} policy with name {policy} cannot be found.")


def permissions_to_attach(command: Attach, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("Attach{}Policy", command.kind, command.name, caller, world, bounded=True)


def attach(command: Attach, caller: Caller, world: World) -> PolicyAttached:
    """A policy that is already attached stays attached. Raises NoSuchEntity, ProtectedRole, LimitExceeded."""
    identity = changeable(command.kind, caller.account, command.name, world)
    policy = attachable(world.directory, command.policy, caller.account)
    if policy.arn not in identity.attached:
        quota = f"PoliciesPer{command.kind.capitalize()}"
        limits.require_room(len(identity.attached), limits.ATTACHED[command.kind], quota)
    return PolicyAttached(caller.account, command.kind, identity.id, policy.arn)


def permissions_to_detach(command: Detach, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("Detach{}Policy", command.kind, command.name, caller, world, bounded=True)


def detach(command: Detach, caller: Caller, world: World) -> PolicyDetached:
    """Raises NoSuchEntity, ProtectedRole."""
    identity = changeable(command.kind, caller.account, command.name, world)
    if command.policy not in identity.attached:
        raise NoSuchEntity(f"Policy {command.policy} was not found.")
    return PolicyDetached(caller.account, command.kind, identity.id, command.policy)


def permissions_to_set_boundary(command: SetBoundary, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("Put{}PermissionsBoundary", command.kind, command.name, caller, world)


def set_boundary(command: SetBoundary, caller: Caller, world: World) -> BoundarySet:
    """Raises NoSuchEntity, ProtectedRole."""
    identity = changeable(command.kind, caller.account, command.name, world)
    require_boundary(command.policy, caller.account, world)
    return BoundarySet(caller.account, command.kind, identity.id, command.policy)


def permissions_to_remove_boundary(command: RemoveBoundary, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("Delete{}PermissionsBoundary", command.kind, command.name, caller, world, bounded=True)


def remove_boundary(command: RemoveBoundary, caller: Caller, world: World) -> BoundarySet:
    """Raises NoSuchEntity, ProtectedRole."""
    identity = changeable(command.kind, caller.account, command.name, world)
    if not identity.boundary:
        raise NoSuchEntity(f"{command.kind.capitalize()} {command.name} has no permissions boundary.")
    return BoundarySet(caller.account, command.kind, identity.id, "")


def _on_tagged(verb: str, kind: str, name: str, caller: Caller, world: World) -> tuple[Verdict, ...]:
    if kind == POLICY:
        return on_policy(f"iam:{verb}Policy", name, caller, world)
    if kind == PROFILE:
        return on_profile(f"iam:{verb}InstanceProfile", name, caller, world)
    if kind == MFA:
        return on_mfa_device(f"iam:{verb}MFADevice", name, caller, world)
    if kind == OIDC:
        return on_oidc_provider(f"iam:{verb}OpenIDConnectProvider", name, caller, world)
    return on_identity(verb + "{}", kind, name, caller, world)


def _tagged(kind: str, name: str, caller: Caller, world: World) -> tuple[str, Mapping[str, str]]:
    """(unique id, tags). Raises NoSuchEntity."""
    if kind == POLICY:
        policy = world.directory.policy(name, caller.account)
        return policy.id, policy.tags
    if kind == PROFILE:
        profile = world.directory.profile(caller.account, name)
        return profile.id, profile.tags
    if kind == MFA:
        device = world.directory.mfa.at(name, caller.account)
        return device.arn, device.tags
    if kind == OIDC:
        provider = world.directory.oidc_provider(name, caller.account)
        return provider.arn, provider.tags
    identity = world.directory.get(kind, caller.account, name)
    return identity.id, identity.tags


def permissions_to_tag(command: Tag, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return _on_tagged("Tag", command.kind, command.name, caller, world)


def tag(command: Tag, caller: Caller, world: World) -> IdentityTagged:
    """Raises NoSuchEntity, InvalidRequest, LimitExceeded."""
    unique, held = _tagged(command.kind, command.name, caller, world)
    return IdentityTagged(caller.account, command.kind, unique, limits.tags_of(command.tags, held))


def permissions_to_untag(command: Untag, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return _on_tagged("Untag", command.kind, command.name, caller, world)


def untag(command: Untag, caller: Caller, world: World) -> IdentityUntagged:
    """To remove a tag that does not exist is not an error. Raises NoSuchEntity."""
    unique, held = _tagged(command.kind, command.name, caller, world)
    folded = {key.lower() for key in command.keys}
    keys = sorted(key for key in held if key.lower() in folded)
    return IdentityUntagged(caller.account, command.kind, unique, keys)


RULES: CommandRules = {
    PutInline: (permissions_to_put, put),
    DeleteInline: (permissions_to_delete, delete),
    Attach: (permissions_to_attach, attach),
    Detach: (permissions_to_detach, detach),
    SetBoundary: (permissions_to_set_boundary, set_boundary),
    RemoveBoundary: (permissions_to_remove_boundary, remove_boundary),
    Tag: (permissions_to_tag, tag),
    Untag: (permissions_to_untag, untag),
}
