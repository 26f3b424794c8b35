"""The permissions that IAM's operations require, and what conditions can read of users, groups, roles and policies.

Source: the service authorization reference of IAM; IAM user guide, reference_policies_iam-condition-keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from domain.arn import ACCOUNT_ID, iam_arn, parse_arn
from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import Resource, in_account
from domain.authorization.verdict import Verdict
from domain.identities.identity import PROFILE, ROLE, Identity
from domain.identities.mfa_devices import MfaDevice
from domain.identities.oidc_providers import OidcProvider
from domain.policy.compile import CompiledPolicy
from domain.policy.variables import Context
from domain.state.world import World

NOUN = {
    "user": "User",
    "group": "Group",
    "role": "Role",
    "policy": "Policy",
    "instance-profile": "InstanceProfile",
    "mfa": "MFADevice",
    "oidc-provider": "OpenIDConnectProvider",
}


def tag_context(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {}
    for key, value in tags.items():
        context[f"aws:resourcetag/{key.lower()}"] = (value,)
        context[f"iam:resourcetag/{key.lower()}"] = (value,)
    return context


def resource_of(identity: Identity) -> Resource:
    return in_account(identity.arn, identity.account, tag_context(identity.tags))


def on_identity(
    action: str, kind: str, name: str, caller: Caller, world: World, bounded: bool = False
) -> tuple[Verdict, ...]:
    """`{}` in the action is replaced by User, Group or Role. For an identity that does not exist, the path is `/`.
    `bounded`: conditions can read the identity's boundary."""
    identity = world.directory.find(kind, caller.account, name)
    extra: Context = {}
    if identity is None:
        resource = in_account(iam_arn(caller.account, kind, "/", name), caller.account)
    else:
        resource = resource_of(identity)
        if bounded and identity.boundary:
            extra = {"iam:permissionsboundary": (identity.boundary,)}
    return (may(caller, f"iam:{action.format(NOUN[kind])}", resource, extra),)


def on_new(action: str, kind: str, path: str, name: str, caller: Caller, tagged: bool) -> tuple[Verdict, ...]:
    """The permission to make an identity, and to tag it if it is made with tags."""
    resource = in_account(iam_arn(caller.account, kind, path, name), caller.account)
    verb = NOUN[kind]
    actions = [action] + ([f"iam:Tag{verb}"] if tagged else [])
    return tuple(may(caller, each, resource) for each in actions)


def on_policy(action: str, arn: str, caller: Caller, world: World) -> tuple[Verdict, ...]:
    policy = world.directory.policies.get(arn)
    parsed = parse_arn(arn)
    # AWS's own policies have `aws` in the place of the account. One is answered as not found, not as another account's.
    account = parsed.account if parsed is not None and ACCOUNT_ID.fullmatch(parsed.account) else caller.account
    # A caller's conditions may not read the tags of another account's policy.
    own = policy is not None and policy.account == caller.account
    resource = in_account(arn, account, tag_context(policy.tags) if policy is not None and own else {})
    return (may(caller, action, resource),)


def on_profile(action: str, name: str, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """For a profile that does not exist, the path is `/`."""
    unique = world.directory.ids.get((PROFILE, caller.account, name.lower()))
    profile = None if unique is None else world.directory.profiles[unique]
    arn = iam_arn(caller.account, PROFILE, "/", name) if profile is None else profile.arn
    tags = {} if profile is None else tag_context(profile.tags)
    return (may(caller, action, in_account(arn, caller.account, tags)),)


def on_mfa_device(action: str, serial: str, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return _on_held(action, serial, world.directory.mfa.by_serial.get(serial), caller)


def on_oidc_provider(action: str, arn: str, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return _on_held(action, arn, world.directory.oidc.get(arn), caller)


def _on_held(action: str, arn: str, found: MfaDevice | OidcProvider | None, caller: Caller) -> tuple[Verdict, ...]:
    """The permission on something that the account has, perhaps. Another account's counts as missing."""
    tags = tag_context(found.tags) if found is not None and found.account == caller.account else {}
    return (may(caller, action, in_account(arn, caller.account, tags)),)


def anywhere(action: str, kind: str, caller: Caller) -> tuple[Verdict, ...]:
    """A permission that is not on one resource (ListUsers and the like)."""
    return (may(caller, action, in_account(iam_arn(caller.account, kind, "/", "*"), caller.account)),)


def role_at(arn: str, world: World) -> Identity | None:
    """The role that has this ARN."""
    unique = world.directory.by_arn.get(arn)
    found = None if unique is None else world.directory.identities[unique]
    return found if found is not None and found.kind == ROLE else None


def role_resource(arn: str, world: World) -> Resource:
    """The role with its trust policy. A role that does not exist trusts nobody, so callers cannot learn which roles exist."""
    role = role_at(arn, world)
    if role is None:
        parsed = parse_arn(arn)
        return Resource(arn, parsed.account if parsed else "", CompiledPolicy(()))
    assert role.role is not None, "a role has its parts"
    return replace(resource_of(role), policy=role.role.policy)


ASSUME_WITH_TOKEN = "sts:AssumeRoleWithWebIdentity"  # noqa: S105  # an action


def with_web_identity(sender: Caller, role: str, world: World, asked: Context | None = None) -> Verdict:
    """Whether the sender of a provider's token may assume a role (an ARN): its trust policy alone decides. `asked` is what
    conditions can read beside the sender and the call."""
    return may(sender, ASSUME_WITH_TOKEN, role_resource(role, world), asked)
