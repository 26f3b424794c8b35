"""CreateGrant, RetireGrant, RevokeGrant.

Source: KMS API reference of the three; developer guide, grants and create-grant-overview.
Rules: #grants-only-allow, #grant-constraints, #child-grant-is-no-wider, #cross-account-operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from domain.arn import PARTITION
from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import NO_RESOURCE_POLICY, RETIRING, Verdict
from domain.commands.rules import CommandRules
from domain.crypto.specs import ENCRYPT_DECRYPT
from domain.crypto.uses import USES_BY_USAGE, permissions_of
from domain.errors import (
    AccessRefused,
    DryRunSucceeded,
    GrantNotFound,
    InvalidArn,
    InvalidRequest,
    LimitExceeded,
)
from domain.grants.grant import EQUALS, SOURCE_ARN, SUBSET, Grant, granted, is_narrower
from domain.grants.operations import ALWAYS, grant_operations
from domain.keys.key import Key, nobodys
from domain.keys.states import require_state
from domain.log.events import GrantCreated, GrantFound, GrantRetired, GrantRevoked
from domain.policy.compile import DELEGATED, StatementSource
from domain.policy.parse import is_principal
from domain.state.principals import canonical, meaning
from domain.state.world import World

MAX_PAIRS = 8
MAX_VALUE = 384


@dataclass(frozen=True, slots=True)
class CreateGrant:
    """`grant` is the id that the API made. Services are given as `Service:name`; "" means left out."""

    key: str
    grant: str
    name: str
    grantees: Sequence[str]
    retirings: Sequence[str]
    operations: Sequence[str]
    constraints: Mapping[str, Mapping[str, str] | str]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class RetireGrant:
    """`key` and `grant` are as the token or the caller names them."""

    key: str
    grant: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class RevokeGrant:
    key: str
    grant: str
    dry_run: bool


def permissions_to_create(command: CreateGrant, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (may(caller, "kms:CreateGrant", world.resource(world.key(command.key, caller.account))),)


def create(command: CreateGrant, caller: Caller, world: World) -> GrantCreated | GrantFound:
    """Raises InvalidKeyState, InvalidRequest, InvalidArn, LimitExceeded, DryRunSucceeded, and AccessRefused if the
    grant would be wider than the grant that allows it."""
    key = world.key(command.key, caller.account)
    require_state("CreateGrant", key.arn, key.state_at(world.now))
    grantee = _one(command.grantees, "GranteePrincipal", "GranteeServicePrincipal")
    if not grantee:
        raise InvalidRequest("You must specify either GranteePrincipal or GranteeServicePrincipal.")
    retiring = _one(command.retirings, "RetiringPrincipal", "RetiringServicePrincipal")
    if grantee.startswith("Service:") and (SOURCE_ARN not in command.constraints or not retiring):
        raise InvalidRequest(
            "A GranteeServicePrincipal takes a SourceArn grant constraint, and a RetiringPrincipal or "
            "RetiringServicePrincipal."
        )
    _require_operations(command, key)
    _require_constraints(command, key)
    event = GrantCreated(
        key=key.id,
        grant=command.grant,
        name=command.name,
        grantee=grantee,
        grantee_id=_principal(grantee, caller, world),
        retiring=retiring,
        retiring_id=_principal(retiring, caller, world) if retiring else "",
        operations=sorted(set(command.operations)),
        constraints=command.constraints,
        issued_by=caller.account,
        issuer=caller.principal,
        parent=_parent(command, key, caller, world),
    )
    found = world.grant_index.same(granted(event, world.now, world.position)) if command.name else None
    if found is None and len(world.grants.get(key.id, ())) >= world.limits.grants:
        raise LimitExceeded(f"A key has at most {world.limits.grants} grants.")
    if command.dry_run:
        raise DryRunSucceeded
    return event if found is None else GrantFound(key.id, found.id)


def _one(given: Sequence[str], first: str, second: str) -> str:
    named = [each for each in given if each]
    if len(named) > 1:
        raise InvalidRequest(f"You can specify either {first} or {second}, but not both.")
    return canonical(named[0]) if named else ""


def _principal(name: str, caller: Caller, world: World) -> str:
    """The name by which a caller is matched. Raises InvalidArn if the text is not a principal, or is a principal of the
    caller's account that does not exist."""
    if name.startswith("Service:"):
        return name
    ours = is_principal(name) and name.startswith(f"arn:{PARTITION}:")
    found = meaning(name, world, caller.account) if ours else None
    if found is None:
        raise InvalidArn(f"ARN does not refer to a valid principal: {name}")
    return found


def _require_operations(command: CreateGrant, key: Key) -> None:
    if not command.operations:
        raise InvalidRequest("A grant allows at least one operation.")
    supported = grant_operations(key.spec, key.usage)
    for operation in command.operations:
        if operation not in supported:
            raise InvalidRequest(f"Grant operation {operation} is not supported on {key.arn}, a {key.spec.name} key.")


def _require_constraints(command: CreateGrant, key: Key) -> None:
    pairs = {name: command.constraints[name] for name in (EQUALS, SUBSET) if name in command.constraints}
    if pairs and not (key.spec.symmetric and key.usage == ENCRYPT_DECRYPT):
        raise InvalidRequest("Encryption context constraints are for symmetric encryption keys only.")
    if pairs and not set(command.operations) <= ALWAYS | permissions_of(*USES_BY_USAGE[ENCRYPT_DECRYPT]):
        raise InvalidRequest("Encryption context constraints are for operations that take an encryption context.")
    for name, value in pairs.items():
        assert not isinstance(value, str), "a constraint on the encryption context is a map"
        if len(value) > MAX_PAIRS:
            raise InvalidRequest(f"{name} has at most {MAX_PAIRS} encryption context pairs.")
        if any(len(each) > MAX_VALUE for each in value.values()):
            raise InvalidRequest(f"An encryption context value in {name} has at most {MAX_VALUE} characters.")


def _parent(command: CreateGrant, key: Key, caller: Caller, world: World) -> str:
    """The id of the grant that allows this one, "" if policies allow it. Raises AccessRefused if the new grant would be wider
    than each grant that allows it (#child-grant-is-no-wider).

    The verdict on the permission does not say it: it names what means the caller most closely, and something else may allow more.
    """
    action, resource = "kms:CreateGrant", world.resource(key)
    if may(caller, action, replace(resource, grants={})).allowed:
        return ""
    operations = {action, *(f"kms:{operation}" for operation in command.operations)}
    for name in sorted(caller.names, key=caller.names.__getitem__, reverse=True):
        # Grants to the same name let CreateGrant in alike, so one of them is asked: there may be thousands.
        wide = next((each for each in resource.grants.get(name, ()) if _is_within(command, operations, each)), None)
        if wide is not None and may(caller, action, replace(resource, grants={name: (wide,)})).allowed:
            return wide.id
    verdict = may(caller, action, resource)
    closest = next(each for each in (verdict.by, verdict.delegation) if isinstance(each, Grant))
    raise AccessRefused(
        f"User: {caller.principal} is not authorized to perform: {action} on resource: {key.arn} because the "
        f"grant {closest.id} allows grants of its own operations and with its constraints or stricter ones only"
    )


def _is_within(command: CreateGrant, operations: Set[str], parent: Grant) -> bool:
    return operations <= parent.operations and is_narrower(command.constraints, parent.constraints)


def _grant(key: Key, grant: str, world: World) -> Grant:
    found = world.grants.get(key.id, {}).get(grant)
    if found is None:
        raise GrantNotFound(f"Grant ID {grant} not found")
    return found


def permissions_to_revoke(command: RevokeGrant, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (may(caller, "kms:RevokeGrant", world.resource(world.key(command.key, caller.account))),)


def revoke(command: RevokeGrant, caller: Caller, world: World) -> GrantRevoked:
    """Raises GrantNotFound, DryRunSucceeded."""
    key = world.key(command.key, caller.account)
    require_state("RevokeGrant", key.arn, key.state)
    grant = _grant(key, command.grant, world)
    if command.dry_run:
        raise DryRunSucceeded
    return GrantRevoked(key.id, grant.id)


def permissions_to_retire(command: RetireGrant, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """These may retire: the retiring principal, the grantee if the grant gives RetireGrant, and the account that issued
    the grant or owns the key. An account may delegate this by identity policies (API reference, RetireGrant)."""
    key = world.key(command.key, caller.account)
    action, resource = "kms:RetireGrant", world.resource(key)
    if key.account != caller.account and command.grant not in world.grants.get(key.id, ()):
        # Only the principals that another account's grants name may learn of them. Anyone else gets the answer for a
        # grant that names others.
        return (may(caller, action, nobodys(key.arn, key.account)),)
    grant = _grant(key, command.grant, world)
    denied = may(caller, action, resource)
    if isinstance(denied.by, StatementSource) and not denied.allowed:
        return (denied,)
    at_home = may(caller, action, in_account(key.arn, caller.account, resource.context))
    how = caller.names.get(grant.retiring, 0)
    if how > DELEGATED:
        return (Verdict(True, action, key.arn, RETIRING, about=resource),)
    if caller.names.get(grant.grantee, 0) > DELEGATED and action in grant.operations:
        return (Verdict(True, action, key.arn, grant, about=resource),)
    if how == DELEGATED or caller.account in (grant.issued_by, key.account):
        return (at_home,)
    return (Verdict(False, action, key.arn, NO_RESOURCE_POLICY, about=resource),)


def retire(command: RetireGrant, caller: Caller, world: World) -> GrantRetired:
    """Raises GrantNotFound, DryRunSucceeded."""
    key = world.key(command.key, caller.account)
    require_state("RetireGrant", key.arn, key.state)
    grant = _grant(key, command.grant, world)
    if command.dry_run:
        raise DryRunSucceeded
    return GrantRetired(key.id, grant.id)


RULES: CommandRules = {
    CreateGrant: (permissions_to_create, create),
    RetireGrant: (permissions_to_retire, retire),
    RevokeGrant: (permissions_to_revoke, revoke),
}
