"""Every user, group, role and managed policy of every account, in one owner's dictionaries; what each may do, compiled.

`apply` is the effect of an event and never refuses. `changes` counts events, so that whatever was worked out of the
directory can tell whether it still holds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod

from domain.errors import NoSuchEntity
from domain.identities.account import ACTIVE
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
    ManagedPolicy,
    PolicyVersion,
    RoleParts,
)
from domain.identities.published import PUBLISHED
from domain.log import identity_events as events
from domain.policy.compile import (
    BOUNDARY,
    IDENTITY_POLICY,
    SESSION_POLICY,
    CompiledStatement,
    Permissions,
    compile_identity_policy,
    compile_trust_policy,
)
from domain.policy.parse import INLINE, MANAGED, SESSION

NOUNS = {USER: "user", GROUP: "group", ROLE: "role", POLICY: "policy", PROFILE: "instance profile"}
Name = tuple[str, str, str]
"""(kind, account, name in lower case): names are unique in an account whatever their case."""


@dataclass(slots=True)
class Directory:
    """`now` and `position` are those of the record whose event is applied."""

    identities: dict[str, Identity] = field(default_factory=dict)
    policies: dict[str, ManagedPolicy] = field(default_factory=dict)
    ids: dict[Name, str] = field(default_factory=dict)
    by_arn: dict[str, str] = field(default_factory=dict)
    policy_arns: dict[str, str] = field(default_factory=dict)
    listed: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    users_of: dict[str, str] = field(default_factory=dict)
    """By access key, the user's unique id."""
    former: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By access key that is no more: the account and the ARN of the user that had it, so that its use is on record."""
    attached_to: dict[str, set[str]] = field(default_factory=dict)
    bounded_by: dict[str, set[str]] = field(default_factory=dict)
    profiles: dict[str, InstanceProfile] = field(default_factory=dict)
    profiles_of: dict[str, list[str]] = field(default_factory=dict)
    changes: int = 0
    _permissions: dict[tuple[str, str], tuple[int, Permissions]] = field(default_factory=dict)

    # -- questions --------------------------------------------------------------------------------------------

    def find(self, kind: str, account: str, name: str) -> Identity | None:
        found = self.ids.get((kind, account, name.lower()))
        return None if found is None else self.identities[found]

    def get(self, kind: str, account: str, name: str) -> Identity:
        """Raises NoSuchEntity."""
        found = self.find(kind, account, name)
        if found is None:
            raise NoSuchEntity(f"The {NOUNS[kind]} with name {name} cannot be found.")
        return found

    def policy(self, arn: str, account: str) -> ManagedPolicy:
        """A policy of the account's own: another account's is not there for it. Raises NoSuchEntity."""
        found = self.policies.get(arn)
        if found is None or found.account != account:
            raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
        return found

    def managed(self, arn: str) -> ManagedPolicy | None:
        """Whoever's it is: an account's, or one that AWS publishes."""
        return self.policies.get(arn) or PUBLISHED.get(arn)

    def page(self, kind: str, account: str, after: str, path: str) -> Iterator[str]:
        """Names of the account in lower case and in order, after the name `after`, with the path prefix."""
        names = self.listed.get((kind, account), [])
        for name in names[bisect_left(names, after + "\0") if after else 0 :]:
            found = self.ids[kind, account, name]
            if path == "/" or self._path_of(kind, found).startswith(path):
                yield name

    def _path_of(self, kind: str, found: str) -> str:
        if kind == PROFILE:
            return self.profiles[found].path
        return self.policies[self.policy_arns[found]].path if kind == POLICY else self.identities[found].path

    def permissions(self, identity: Identity) -> Permissions:
        """What all policies of a user (its groups' too) or role say, compiled."""
        return self._cached((IDENTITY_POLICY, identity.id), lambda: self._identity_rules(identity))

    def boundary(self, identity: Identity) -> Permissions | None:
        """What the boundary says; None where there is none."""
        if not identity.boundary:
            return None
        policy = identity.boundary
        return self._cached((BOUNDARY, policy), lambda: self._managed_rules(policy, BOUNDARY))

    def session(self, session: str, document: str, arns: tuple[str, ...]) -> Permissions | None:
        """What a session's policies say together; None for a session without any."""
        if not document and not arns:
            return None

        def rules() -> Iterator[CompiledStatement]:
            if document:
                yield from compile_identity_policy(document, SESSION_POLICY, session, 0, SESSION)
            for arn in arns:
                yield from self._managed_rules(arn, SESSION_POLICY)

        return Permissions(tuple(rules()))

    def _cached(self, name: tuple[str, str], rules: Callable[[], Iterator[CompiledStatement]]) -> Permissions:
        held = self._permissions.get(name)
        if held is None or held[0] != self.changes:
            held = self._permissions[name] = (self.changes, Permissions(tuple(rules())))
        return held[1]

    def _identity_rules(self, identity: Identity, via: str = "") -> Iterator[CompiledStatement]:
        for name, inline in identity.inline.items():
            known_as = f"{identity.arn}#{name}"
            yield from compile_identity_policy(inline.document, IDENTITY_POLICY, known_as, inline.position, INLINE, via)
        for arn in identity.attached:
            yield from self._managed_rules(arn, IDENTITY_POLICY, via)
        for group in identity.groups:
            found = self.identities[group]
            yield from self._identity_rules(found, found.arn)

    def _managed_rules(self, arn: str, by: str, via: str = "") -> Iterator[CompiledStatement]:
        policy = self.managed(arn)
        if policy is not None:  # a session's policy may be deleted under it, and gives nothing any more
            yield from compile_identity_policy(policy.document, by, arn, policy.default, MANAGED, via)

    # -- the fold ---------------------------------------------------------------------------------------------

    def take(self, event: object, now: int, position: int) -> None:
        """The event's effect."""
        self.changes += 1
        self._apply(event, now, position)

    @singledispatchmethod
    def _apply(self, event: object, now: int, position: int) -> None:
        raise TypeError(f"{type(event).__name__} is not an event of an identity")

    def add(self, identity: Identity) -> None:
        self.identities[identity.id] = identity
        self._name(identity.kind, identity.account, identity.name, identity.id)
        self.by_arn[identity.arn] = identity.id
        for arn in identity.attached:
            self.attached_to.setdefault(arn, set()).add(identity.id)
        if identity.boundary:
            self.bounded_by.setdefault(identity.boundary, set()).add(identity.id)
        for group in identity.groups:
            insort(self.members.setdefault(group, []), identity.id)
        for access_key in identity.access_keys:
            self.users_of[access_key] = identity.id

    def add_policy(self, policy: ManagedPolicy) -> None:
        self.policies[policy.arn] = policy
        self.policy_arns[policy.id] = policy.arn
        self._name(POLICY, policy.account, policy.name, policy.id)

    def _name(self, kind: str, account: str, name: str, unique: str) -> None:
        self.ids[kind, account, name.lower()] = unique
        insort(self.listed.setdefault((kind, account), []), name.lower())

    def _unname(self, kind: str, account: str, name: str) -> None:
        del self.ids[kind, account, name.lower()]
        self.listed[kind, account].remove(name.lower())

    @_apply.register
    def _(self, event: events.UserCreated, now: int, position: int) -> None:
        self.add(
            Identity(USER, event.id, event.account, event.name, event.path, now, event.tags, boundary=event.boundary)
        )

    @_apply.register
    def _(self, event: events.GroupCreated, now: int, position: int) -> None:
        self.add(Identity(GROUP, event.id, event.account, event.name, event.path, now))

    @_apply.register
    def _(self, event: events.RoleCreated, now: int, position: int) -> None:
        identity = Identity(
            ROLE, event.id, event.account, event.name, event.path, now, event.tags, boundary=event.boundary
        )
        parts = role_parts(identity.arn, event.trust, 1, event.principals, event.description, event.max_session)
        self.add(replace(identity, role=parts))

    @_apply.register
    def _(self, event: events.IdentityMoved, now: int, position: int) -> None:
        old = self.identities[event.id]
        self._unname(old.kind, old.account, old.name)
        del self.by_arn[old.arn]
        new = replace(old, name=event.name, path=event.path)
        self.identities[event.id] = new
        self._name(new.kind, new.account, new.name, new.id)
        self.by_arn[new.arn] = new.id

    @_apply.register
    def _(self, event: events.IdentityDeleted, now: int, position: int) -> None:
        gone = self.identities.pop(event.id)
        self._unname(gone.kind, gone.account, gone.name)
        del self.by_arn[gone.arn]
        for access_key in gone.access_keys:
            del self.users_of[access_key]
            self.former[access_key] = (gone.account, gone.arn)
        for index in (self.attached_to, self.bounded_by):
            for arn in (*gone.attached, gone.boundary):
                index.get(arn, set()).discard(gone.id)
        for group in gone.groups:
            self.members[group].remove(gone.id)
        self.members.pop(gone.id, None)

    def _set(self, unique: str, **changes: object) -> None:
        self.identities[unique] = replace(self.identities[unique], **changes)  # type: ignore[arg-type]  # fields by name

    def _with_key(self, unique: str, access_key: str, state: AccessKey | None) -> None:
        keys = {name: each for name, each in self.identities[unique].access_keys.items() if name != access_key}
        self._set(unique, access_keys=keys if state is None else keys | {access_key: state})

    @_apply.register
    def _(self, event: events.UserAccessKeyCreated, now: int, position: int) -> None:
        self._with_key(event.id, event.access_key, AccessKey(ACTIVE, now))
        self.users_of[event.access_key] = event.id

    @_apply.register
    def _(self, event: events.UserAccessKeyChanged, now: int, position: int) -> None:
        held = self.identities[event.id].access_keys
        changed = AccessKey(event.status, held[event.access_key].created)
        self._set(event.id, access_keys={**held, event.access_key: changed})

    @_apply.register
    def _(self, event: events.UserAccessKeyDeleted, now: int, position: int) -> None:
        user = self.identities[event.id]
        self._with_key(event.id, event.access_key, None)
        del self.users_of[event.access_key]
        self.former[event.access_key] = (user.account, user.arn)

    @_apply.register
    def _(self, event: events.MemberAdded, now: int, position: int) -> None:
        groups = self.identities[event.user].groups
        if event.group in groups:
            return  # a member already
        self._set(event.user, groups=(*groups, event.group))
        insort(self.members.setdefault(event.group, []), event.user)

    @_apply.register
    def _(self, event: events.MemberRemoved, now: int, position: int) -> None:
        groups = self.identities[event.user].groups
        self._set(event.user, groups=tuple(each for each in groups if each != event.group))
        self.members[event.group].remove(event.user)

    @_apply.register
    def _(self, event: events.RoleDescribed, now: int, position: int) -> None:
        role = self.identities[event.id].role
        assert role is not None, "the event is a role's"
        self._set(event.id, role=replace(role, description=event.description, max_session=event.max_session))

    @_apply.register
    def _(self, event: events.TrustReplaced, now: int, position: int) -> None:
        identity = self.identities[event.id]
        old = identity.role
        assert old is not None, "the event is a role's"
        parts = role_parts(identity.arn, event.trust, event.version, event.principals, old.description, old.max_session)
        self._set(event.id, role=parts)

    @_apply.register
    def _(self, event: events.InlinePolicyPut, now: int, position: int) -> None:
        inline = self.identities[event.id].inline
        self._set(event.id, inline={**inline, event.policy: InlinePolicy(event.document, position)})

    @_apply.register
    def _(self, event: events.InlinePolicyDeleted, now: int, position: int) -> None:
        inline = self.identities[event.id].inline
        self._set(event.id, inline={name: each for name, each in inline.items() if name != event.policy})

    @_apply.register
    def _(self, event: events.PolicyAttached, now: int, position: int) -> None:
        attached = self.identities[event.id].attached
        if event.policy not in attached:
            self._set(event.id, attached=(*attached, event.policy))
        self.attached_to.setdefault(event.policy, set()).add(event.id)

    @_apply.register
    def _(self, event: events.PolicyDetached, now: int, position: int) -> None:
        attached = self.identities[event.id].attached
        self._set(event.id, attached=tuple(each for each in attached if each != event.policy))
        self.attached_to.get(event.policy, set()).discard(event.id)  # a trail may not have seen it attached

    @_apply.register
    def _(self, event: events.BoundarySet, now: int, position: int) -> None:
        old = self.identities[event.id].boundary
        if old:
            self.bounded_by[old].discard(event.id)
        if event.policy:
            self.bounded_by.setdefault(event.policy, set()).add(event.id)
        self._set(event.id, boundary=event.policy)

    def profile(self, account: str, name: str) -> InstanceProfile:
        """Raises NoSuchEntity."""
        found = self.ids.get((PROFILE, account, name.lower()))
        if found is None:
            raise NoSuchEntity(f"Instance Profile {name} cannot be found.")
        return self.profiles[found]

    def add_profile(self, profile: InstanceProfile) -> None:
        self.profiles[profile.id] = profile
        self._name(PROFILE, profile.account, profile.name, profile.id)
        if profile.role:
            insort(self.profiles_of.setdefault(profile.role, []), profile.id)

    @_apply.register
    def _(self, event: events.InstanceProfileCreated, now: int, position: int) -> None:
        self.add_profile(InstanceProfile(event.id, event.account, event.name, event.path, now, tags=event.tags))

    @_apply.register
    def _(self, event: events.InstanceProfileDeleted, now: int, position: int) -> None:
        gone = self.profiles.pop(event.id)
        self._unname(PROFILE, gone.account, gone.name)

    @_apply.register
    def _(self, event: events.InstanceProfileRoleSet, now: int, position: int) -> None:
        old = self.profiles[event.id]
        if old.role:
            self.profiles_of[old.role].remove(event.id)
        if event.role:
            insort(self.profiles_of.setdefault(event.role, []), event.id)
        self.profiles[event.id] = replace(old, role=event.role)

    def _tags(self, kind: str, unique: str) -> Mapping[str, str]:
        if kind == PROFILE:
            return self.profiles[unique].tags
        return self.policies[self.policy_arns[unique]].tags if kind == POLICY else self.identities[unique].tags

    def _set_tags(self, kind: str, unique: str, tags: Mapping[str, str]) -> None:
        if kind == PROFILE:
            self.profiles[unique] = replace(self.profiles[unique], tags=tags)
        elif kind == POLICY:
            self._set_policy(unique, tags=tags)
        else:
            self._set(unique, tags=tags)

    @_apply.register
    def _(self, event: events.IdentityTagged, now: int, position: int) -> None:
        self._set_tags(event.kind, event.id, {**self._tags(event.kind, event.id), **event.tags})

    @_apply.register
    def _(self, event: events.IdentityUntagged, now: int, position: int) -> None:
        held = self._tags(event.kind, event.id)
        self._set_tags(event.kind, event.id, {key: value for key, value in held.items() if key not in event.keys})

    @_apply.register
    def _(self, event: events.ManagedPolicyCreated, now: int, position: int) -> None:
        versions = {"v1": PolicyVersion(event.document, now)}
        self.add_policy(
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

    def _set_policy(self, unique: str, **changes: object) -> None:
        arn = self.policy_arns[unique]
        self.policies[arn] = replace(self.policies[arn], **changes)  # type: ignore[arg-type]  # fields by name

    @_apply.register
    def _(self, event: events.PolicyVersionCreated, now: int, position: int) -> None:
        old = self.policies[self.policy_arns[event.id]]
        versions = {**old.versions, event.version: PolicyVersion(event.document, now)}
        default = event.version if event.default else old.default
        self._set_policy(event.id, versions=versions, default=default, latest=old.latest + 1, updated=now)

    @_apply.register
    def _(self, event: events.DefaultVersionSet, now: int, position: int) -> None:
        self._set_policy(event.id, default=event.version, updated=now)

    @_apply.register
    def _(self, event: events.PolicyVersionDeleted, now: int, position: int) -> None:
        held = self.policies[self.policy_arns[event.id]].versions
        self._set_policy(event.id, versions={name: each for name, each in held.items() if name != event.version})

    @_apply.register
    def _(self, event: events.ManagedPolicyDeleted, now: int, position: int) -> None:
        arn = self.policy_arns.pop(event.id)
        gone = self.policies.pop(arn)
        self._unname(POLICY, gone.account, gone.name)


def role_parts(
    arn: str, trust: str, version: int, principals: Mapping[str, str], description: str, max_session: int
) -> RoleParts:
    policy = compile_trust_policy(trust, arn, version, principals)
    return RoleParts(trust, version, principals, policy, description, max_session)
