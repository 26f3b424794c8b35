"""What each event of an identity changes in the directory. Events are true, so nothing here refuses one."""

from __future__ import annotations

from bisect import insort
from dataclasses import replace
from functools import singledispatch

from domain.identities.account import ACTIVE
from domain.identities.directory import Directory, role_parts
from domain.identities.identity import (
    GROUP,
    POLICY,
    PROFILE,
    ROLE,
    USER,
    AccessKey,
    Identity,
    InlinePolicy,
    InstanceProfile,
    LoginProfile,
    ManagedPolicy,
    PolicyVersion,
    StoredPassword,
)
from domain.identities.mfa_devices import MFA, MfaDevice
from domain.identities.oidc_providers import OidcProvider, provider_arn
from domain.identities.password_policy import MOST_FORMER
from domain.log import identity_events as events


def take(event: object, directory: Directory, now: int, position: int) -> None:
    """Applies the event; `now` and `position` are those of its record."""
    directory.changes += 1
    effect(event, directory, now, position)


@singledispatch
def effect(event: object, directory: Directory, now: int, position: int) -> None:
    raise TypeError(f"{type(event).__name__} is not an event of an identity")


@effect.register
def _(event: events.UserCreated, directory: Directory, now: int, position: int) -> None:
    directory.add(
        Identity(USER, event.id, event.account, event.name, event.path, now, event.tags, boundary=event.boundary)
    )


@effect.register
def _(event: events.GroupCreated, directory: Directory, now: int, position: int) -> None:
    directory.add(Identity(GROUP, event.id, event.account, event.name, event.path, now))


@effect.register
def _(event: events.RoleCreated, directory: Directory, now: int, position: int) -> None:
    identity = Identity(ROLE, event.id, event.account, event.name, event.path, now, event.tags, boundary=event.boundary)
    parts = role_parts(identity.arn, event.trust, 1, event.principals, event.description, event.max_session)
    directory.add(replace(identity, role=parts))


@effect.register
def _(event: events.IdentityMoved, directory: Directory, now: int, position: int) -> None:
    old = directory.identities[event.id]
    directory.unname(old.kind, old.account, old.name)
    del directory.by_arn[old.arn]
    new = replace(old, name=event.name, path=event.path)
    directory.identities[event.id] = new
    directory.name(new.kind, new.account, new.name, new.id)
    directory.by_arn[new.arn] = new.id
    for signed_in_with in (*new.access_keys, new.id) if new.arn != old.arn else ():
        directory.end_console_sessions(signed_in_with, position, now)


@effect.register
def _(event: events.IdentityDeleted, directory: Directory, now: int, position: int) -> None:
    gone = directory.identities.pop(event.id)
    if directory.ended is not None:
        directory.ended.add(event.id)
    directory.unname(gone.kind, gone.account, gone.name)
    del directory.by_arn[gone.arn]
    for access_key in gone.access_keys:
        del directory.users_of[access_key]
        directory.former[access_key] = (gone.account, gone.arn)
    for index in (directory.attached_to, directory.bounded_by):
        for arn in (*gone.attached, gone.boundary):
            index.get(arn, set()).discard(gone.id)
    for group in gone.groups:
        directory.members[group].remove(gone.id)
    for user in directory.members.pop(gone.id, ()):  # a trail that an older version read may not tell that it left
        left = tuple(each for each in directory.identities[user].groups if each != gone.id)
        directory.change(user, groups=left)


@effect.register
def _(event: events.UserAccessKeyCreated, directory: Directory, now: int, position: int) -> None:
    directory.set_access_key(event.id, event.access_key, AccessKey(ACTIVE, now))
    directory.users_of[event.access_key] = event.id


@effect.register
def _(event: events.UserAccessKeyChanged, directory: Directory, now: int, position: int) -> None:
    held = directory.identities[event.id].access_keys
    changed = AccessKey(event.status, held[event.access_key].created)
    directory.change(event.id, access_keys={**held, event.access_key: changed})
    if event.status != ACTIVE:
        directory.end_console_sessions(event.access_key, position, now)


@effect.register
def _(event: events.UserAccessKeyDeleted, directory: Directory, now: int, position: int) -> None:
    user = directory.identities[event.id]
    directory.set_access_key(event.id, event.access_key, None)
    del directory.users_of[event.access_key]
    directory.former[event.access_key] = (user.account, user.arn)


@effect.register
def _(event: events.MemberAdded, directory: Directory, now: int, position: int) -> None:
    groups = directory.identities[event.user].groups
    if event.group in groups:
        return  # it is already a member
    directory.change(event.user, groups=(*groups, event.group))
    insort(directory.members.setdefault(event.group, []), event.user)


@effect.register
def _(event: events.MemberRemoved, directory: Directory, now: int, position: int) -> None:
    groups = directory.identities[event.user].groups
    directory.change(event.user, groups=tuple(each for each in groups if each != event.group))
    directory.members[event.group].remove(event.user)


@effect.register
def _(event: events.RoleDescribed, directory: Directory, now: int, position: int) -> None:
    role = directory.identities[event.id].role
    assert role is not None, "the event is a role's"
    directory.change(event.id, role=replace(role, description=event.description, max_session=event.max_session))


@effect.register
def _(event: events.TrustReplaced, directory: Directory, now: int, position: int) -> None:
    identity = directory.identities[event.id]
    old = identity.role
    assert old is not None, "the event is a role's"
    parts = role_parts(identity.arn, event.trust, event.version, event.principals, old.description, old.max_session)
    directory.change(event.id, role=parts)


@effect.register
def _(event: events.InlinePolicyPut, directory: Directory, now: int, position: int) -> None:
    inline = directory.identities[event.id].inline
    directory.change(event.id, inline={**inline, event.policy: InlinePolicy(event.document, position)})


@effect.register
def _(event: events.InlinePolicyDeleted, directory: Directory, now: int, position: int) -> None:
    inline = directory.identities[event.id].inline
    directory.change(event.id, inline={name: each for name, each in inline.items() if name != event.policy})


@effect.register
def _(event: events.PolicyAttached, directory: Directory, now: int, position: int) -> None:
    attached = directory.identities[event.id].attached
    if event.policy not in attached:
        directory.change(event.id, attached=(*attached, event.policy))
    directory.attached_to.setdefault(event.policy, set()).add(event.id)


@effect.register
def _(event: events.PolicyDetached, directory: Directory, now: int, position: int) -> None:
    attached = directory.identities[event.id].attached
    directory.change(event.id, attached=tuple(each for each in attached if each != event.policy))
    directory.attached_to.get(event.policy, set()).discard(event.id)  # a trail may not have shown the attachment


@effect.register
def _(event: events.BoundarySet, directory: Directory, now: int, position: int) -> None:
    old = directory.identities[event.id].boundary
    if old:
        directory.bounded_by[old].discard(event.id)
    if event.policy:
        directory.bounded_by.setdefault(event.policy, set()).add(event.id)
    directory.change(event.id, boundary=event.policy)


@effect.register
def _(event: events.InstanceProfileCreated, directory: Directory, now: int, position: int) -> None:
    directory.add_profile(InstanceProfile(event.id, event.account, event.name, event.path, now, tags=event.tags))


@effect.register
def _(event: events.InstanceProfileDeleted, directory: Directory, now: int, position: int) -> None:
    gone = directory.profiles.pop(event.id)
    directory.unname(PROFILE, gone.account, gone.name)


@effect.register
def _(event: events.InstanceProfileRoleSet, directory: Directory, now: int, position: int) -> None:
    old = directory.profiles[event.id]
    if old.role:
        directory.profiles_of[old.role].remove(event.id)
    if event.role:
        insort(directory.profiles_of.setdefault(event.role, []), event.id)
    directory.profiles[event.id] = replace(old, role=event.role)


@effect.register
def _(event: events.LoginProfileCreated, directory: Directory, now: int, position: int) -> None:
    password = StoredPassword(event.row, event.digest)
    directory.change(event.id, login=LoginProfile(now, now, 1, password, event.reset_required))


@effect.register
def _(event: events.PasswordChanged, directory: Directory, now: int, position: int) -> None:
    old = directory.identities[event.id].login
    assert old is not None, "the event is of a user with a password"
    former = (old.password, *old.former)[:MOST_FORMER]
    password = StoredPassword(event.row, event.digest)
    login = LoginProfile(old.created, now, event.version, password, event.reset_required, former)
    directory.change(event.id, login=login)
    directory.end_console_sessions(event.id, position, now)


@effect.register
def _(event: events.PasswordResetRequired, directory: Directory, now: int, position: int) -> None:
    old = directory.identities[event.id].login
    assert old is not None, "the event is of a user with a password"
    directory.change(event.id, login=replace(old, reset_required=event.reset_required))
    directory.end_console_sessions(event.id, position, now)


@effect.register
def _(event: events.LoginProfileDeleted, directory: Directory, now: int, position: int) -> None:
    directory.change(event.id, login=None)
    directory.end_console_sessions(event.id, position, now)


@effect.register
def _(event: events.MfaDeviceCreated, directory: Directory, now: int, position: int) -> None:
    directory.add_mfa_device(
        MfaDevice(event.account, event.name, event.path, now, event.seed, event.digest, tags=event.tags)
    )


@effect.register
def _(event: events.MfaDeviceEnabled, directory: Directory, now: int, position: int) -> None:
    directory.mfa.give(event.serial, event.user, now, event.drift, event.used)
    directory.end_console_sessions(event.user, position, now)


@effect.register
def _(event: events.MfaDeviceSynchronised, directory: Directory, now: int, position: int) -> None:
    directory.mfa.change(event.serial, drift=event.drift, used=event.used)


@effect.register
def _(event: events.MfaDeviceDeactivated, directory: Directory, now: int, position: int) -> None:
    directory.mfa.take_back(event.serial)
    directory.end_console_sessions(event.user, position, now)


@effect.register
def _(event: events.MfaDeviceDeleted, directory: Directory, now: int, position: int) -> None:
    gone = directory.mfa.remove(event.serial)
    directory.unname(MFA, gone.account, gone.name)


@effect.register
def _(event: events.OidcProviderCreated, directory: Directory, now: int, position: int) -> None:
    provider = OidcProvider(
        event.account, event.name, now, tuple(event.client_ids), tuple(event.thumbprints), event.tags
    )
    directory.oidc[provider.arn] = provider


@effect.register
def _(event: events.OidcProviderClientIdsSet, directory: Directory, now: int, position: int) -> None:
    arn = provider_arn(event.account, event.name)
    directory.oidc[arn] = replace(directory.oidc[arn], client_ids=tuple(event.client_ids))


@effect.register
def _(event: events.OidcProviderThumbprintsSet, directory: Directory, now: int, position: int) -> None:
    arn = provider_arn(event.account, event.name)
    directory.oidc[arn] = replace(directory.oidc[arn], thumbprints=tuple(event.thumbprints))


@effect.register
def _(event: events.OidcProviderDeleted, directory: Directory, now: int, position: int) -> None:
    del directory.oidc[provider_arn(event.account, event.name)]


@effect.register
def _(event: events.IdentityTagged, directory: Directory, now: int, position: int) -> None:
    directory.set_tags(event.kind, event.id, {**directory.tags(event.kind, event.id), **event.tags})


@effect.register
def _(event: events.IdentityUntagged, directory: Directory, now: int, position: int) -> None:
    held = directory.tags(event.kind, event.id)
    directory.set_tags(event.kind, event.id, {key: value for key, value in held.items() if key not in event.keys})


@effect.register
def _(event: events.ManagedPolicyCreated, directory: Directory, now: int, position: int) -> None:
    versions = {"v1": PolicyVersion(event.document, now)}
    directory.add_policy(
        ManagedPolicy(
            event.id,
            event.account,
            event.name,
            event.path,
            event.description,
            now,
            now,
            versions,
            "v1",
            1,
            event.tags,
        )
    )


@effect.register
def _(event: events.PolicyVersionCreated, directory: Directory, now: int, position: int) -> None:
    old = directory.policies[directory.policy_arns[event.id]]
    versions = {**old.versions, event.version: PolicyVersion(event.document, now)}
    default = event.version if event.default else old.default
    directory.change_policy(event.id, versions=versions, default=default, latest=old.latest + 1, updated=now)


@effect.register
def _(event: events.DefaultVersionSet, directory: Directory, now: int, position: int) -> None:
    directory.change_policy(event.id, default=event.version, updated=now)


@effect.register
def _(event: events.PolicyVersionDeleted, directory: Directory, now: int, position: int) -> None:
    held = directory.policies[directory.policy_arns[event.id]].versions
    directory.change_policy(event.id, versions={name: each for name, each in held.items() if name != event.version})


@effect.register
def _(event: events.ManagedPolicyDeleted, directory: Directory, now: int, position: int) -> None:
    arn = directory.policy_arns.pop(event.id)
    gone = directory.policies.pop(arn)
    directory.unname(POLICY, gone.account, gone.name)
