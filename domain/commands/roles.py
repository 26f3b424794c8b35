"""Roles and their trust policies.

Source: IAM API reference: CreateRole, UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_identity, on_new
from domain.commands.rules import CommandRules
from domain.commands.users_and_groups import changeable, require_boundary, require_new
from domain.durations import HOUR_SECONDS
from domain.errors import InvalidInput, InvalidRequest
from domain.identities import limits
from domain.identities.identity import ROLE, RoleParts
from domain.identities.linked_services import SERVICE_LINKED
from domain.log.identity_events import RoleCreated, RoleDescribed, TrustReplaced
from domain.policy.check import check_policy
from domain.policy.parse import TRUST
from domain.state.principals import principals_of
from domain.state.world import World

SHORTEST, LONGEST = HOUR_SECONDS, 12 * HOUR_SECONDS
"""The seconds that a role's longest session may have."""


@dataclass(frozen=True, slots=True)
class CreateRole:
    id: str
    name: str
    path: str
    trust: str
    description: str
    max_session: int
    tags: Sequence[Mapping[str, str]]
    boundary: str


@dataclass(frozen=True, slots=True)
class DescribeRole:
    """UpdateRole and UpdateRoleDescription. A field is None if it stays the same."""

    action: str
    name: str
    description: str | None
    max_session: int | None


@dataclass(frozen=True, slots=True)
class ReplaceTrust:
    name: str
    trust: str


def _trust(text: str, account: str, world: World) -> Mapping[str, str]:
    """The unique ids of a trust policy's principals. Raises MalformedPolicy, LimitExceeded."""
    limits.require_size(text, limits.TRUST, "ACLSizePerRole")
    policy = check_policy(text, TRUST)
    return principals_of(policy, world, account)


def _require_session(seconds: int) -> None:
    if not SHORTEST <= seconds <= LONGEST:
        raise InvalidRequest(f"MaxSessionDuration is from {SHORTEST} to {LONGEST} seconds.")


def permissions_to_create(command: CreateRole, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_new("iam:CreateRole", ROLE, command.path, command.name, caller, bool(command.tags))


def create(command: CreateRole, caller: Caller, world: World) -> RoleCreated:
    """Raises EntityExists, MalformedPolicy, NoSuchEntity (the boundary), InvalidInput, InvalidRequest, LimitExceeded."""
    require_new(ROLE, caller.account, command.name, world)
    if command.path.startswith(SERVICE_LINKED):
        raise InvalidInput(f"The path {SERVICE_LINKED} is for service-linked roles: use CreateServiceLinkedRole.")
    require_boundary(command.boundary, caller.account, world)
    _require_session(command.max_session)
    return RoleCreated(
        account=caller.account,
        id=command.id,
        name=command.name,
        path=command.path,
        trust=command.trust,
        principals=_trust(command.trust, caller.account, world),
        description=command.description,
        max_session=command.max_session,
        tags=limits.tags_of(command.tags, {}),
        boundary=command.boundary,
    )


def _role(name: str, caller: Caller, world: World, *, described: bool = False) -> tuple[str, RoleParts]:
    """`described`: an account may change the description of its service-linked roles (IAM user guide,
    using-service-linked-roles)."""
    account = caller.account
    identity = world.directory.get(ROLE, account, name) if described else changeable(ROLE, account, name, world)
    assert identity.role is not None, "a role has its parts"
    return identity.id, identity.role


def permissions_to_describe(command: DescribeRole, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity(command.action, ROLE, command.name, caller, world)


def describe(command: DescribeRole, caller: Caller, world: World) -> RoleDescribed:
    """Raises NoSuchEntity, ProtectedRole, InvalidRequest."""
    unique, role = _role(command.name, caller, world, described=command.max_session is None)
    description = role.description if command.description is None else command.description
    seconds = role.max_session if command.max_session is None else command.max_session
    _require_session(seconds)
    return RoleDescribed(caller.account, unique, description, seconds)


def permissions_to_replace_trust(command: ReplaceTrust, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("UpdateAssumeRolePolicy", ROLE, command.name, caller, world)


def replace_trust(command: ReplaceTrust, caller: Caller, world: World) -> TrustReplaced:
    """Raises NoSuchEntity, ProtectedRole, MalformedPolicy."""
    unique, role = _role(command.name, caller, world)
    return TrustReplaced(
        caller.account, unique, role.version + 1, command.trust, _trust(command.trust, caller.account, world)
    )


RULES: CommandRules = {
    CreateRole: (permissions_to_create, create),
    DescribeRole: (permissions_to_describe, describe),
    ReplaceTrust: (permissions_to_replace_trust, replace_trust),
}
