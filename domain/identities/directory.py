"""The directory: every user, group, role and managed policy of every account, and what each may do, compiled.

One owner holds it. event_effects.py says what each event changes here. `changes` counts events, so that anything worked
out from the directory can tell whether it still holds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from domain.durations import HOUR_MICROS
from domain.errors import NoSuchEntity
from domain.identities.compiled_policies import CompiledPolicies
from domain.identities.identity import (
    GROUP,
    POLICY,
    PROFILE,
    ROLE,
    USER,
    AccessKey,
    Identity,
    InstanceProfile,
    ManagedPolicy,
    RoleParts,
    stored_rows,
)
from domain.identities.mfa_devices import MFA, MfaDevice, MfaDevices
from domain.identities.oidc_providers import OIDC, OidcProvider
from domain.identities.published import PUBLISHED, kind_of
from domain.policy.compile import (
    BOUNDARY,
    IDENTITY_POLICY,
    SESSION_POLICY,
    CompiledStatement,
    Permissions,
    compile_identity_policy,
    compile_trust_policy,
)
from domain.policy.parse import INLINE, SESSION

NOUNS = {USER: "user", GROUP: "group", ROLE: "role", POLICY: "policy", PROFILE: "instance profile", MFA: "MFA device"}
CUT_OFF_WINDOW = 24 * HOUR_MICROS
"""How long a cut-off is remembered: twice as long as a console session lasts."""


class CutOff(NamedTuple):
    """The access key was deactivated, its user renamed or moved, or the user's password or MFA device changed: the position on
    the log, and the time."""

    position: int
    at: int


IdentityName = tuple[str, str, str]
"""(kind, account, name in lower case): within an account names are unique regardless of case."""


@dataclass(slots=True)
class Directory:
    """Invariants: `ids` and `listed` name every identity, managed policy and profile once; `by_arn` names every
    identity; `users_of` has every access key of a user. `members`, `attached_to`, `bounded_by` and `profiles_of` repeat
    the fields of identities and profiles from the other side (tests/domain/test_world_indexes.py)."""

    identities: dict[str, Identity] = field(default_factory=dict)
    policies: dict[str, ManagedPolicy] = field(default_factory=dict)
    ids: dict[IdentityName, str] = field(default_factory=dict)
    by_arn: dict[str, str] = field(default_factory=dict)
    policy_arns: dict[str, str] = field(default_factory=dict)
    listed: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    users_of: dict[str, str] = field(default_factory=dict)
    """By access key, the user's unique id."""
    former: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By deleted access key: the account and the ARN of the user who had it, so that a use of it can be recorded."""
    ended: set[str] | None = None
    """The unique ids of deleted identities, while a trail is folded. Anywhere else nobody asks, and no snapshot has them."""
    cut_off: dict[str, CutOff] = field(default_factory=dict)
    """By access key, or by the unique id of a user who signs in with a password: where console sessions that came from it
    ended for good. In the order of time."""
    attached_to: dict[str, set[str]] = field(default_factory=dict)
    bounded_by: dict[str, set[str]] = field(default_factory=dict)
    profiles: dict[str, InstanceProfile] = field(default_factory=dict)
    profiles_of: dict[str, list[str]] = field(default_factory=dict)
    mfa: MfaDevices = field(default_factory=MfaDevices)
    oidc: dict[str, OidcProvider] = field(default_factory=dict)
    """OpenID Connect providers, by ARN."""
    changes: int = 0
    _compiled: CompiledPolicies = field(default_factory=CompiledPolicies, compare=False)

    # -- questions --------------------------------------------------------------------------------------------

    def secrets(self) -> set[str]:
        """The vault's names of the secrets that users have: access keys, MFA devices and passwords."""
        seeds = {each.seed for each in self.mfa.by_serial.values()}
        return {*self.users_of, *seeds, *(row for user in self.identities.values() for row in stored_rows(user))}

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
        """One of the account's own policies; another account's counts as missing. Raises NoSuchEntity."""
        found = self.policies.get(arn)
        if found is None or found.account != account:
            raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
        return found

    def oidc_provider(self, arn: str, account: str) -> OidcProvider:
        """One of the account's own providers; another account's counts as missing. Raises NoSuchEntity."""
        found = self.oidc.get(arn)
        if found is None or found.account != account:
            raise NoSuchEntity(f"OpenIDConnect Provider not found for arn {arn}")
        return found

    def managed(self, arn: str) -> ManagedPolicy | None:
        """The managed policy of any account, or one that AWS publishes."""
        return self.policies.get(arn) or PUBLISHED.get(arn)

    def page(self, kind: str, account: str, after: str, path: str) -> Iterator[str]:
        """Names in the account that have the path prefix, in lower case and in order, after the name `after`."""
        names = self.listed.get((kind, account), [])
        for name in names[bisect_left(names, after + "\0") if after else 0 :]:
            found = self.ids[kind, account, name]
            if path == "/" or self._path_of(kind, found).startswith(path):
                yield name

    def _path_of(self, kind: str, found: str) -> str:
        if kind == PROFILE:
            return self.profiles[found].path
        if kind == MFA:
            return self.mfa.by_serial[found].path
        return self.policies[self.policy_arns[found]].path if kind == POLICY else self.identities[found].path

    def permissions(self, identity: Identity) -> Permissions:
        """All policies of a role, or of a user and its groups, compiled."""
        return self._compiled.permissions(
            (IDENTITY_POLICY, identity.id),
            self.changes,
            lambda: (*self._texts(identity), *(self._texts(self.identities[each]) for each in identity.groups)),
            lambda: self._identity_rules(identity),
        )

    def boundary(self, identity: Identity) -> Permissions | None:
        """The identity's boundary, compiled; None if it has no boundary."""
        if not identity.boundary:
            return None
        policy = identity.boundary
        return self._compiled.permissions(
            (BOUNDARY, policy),
            self.changes,
            lambda: self._managed_text(policy),
            lambda: self._boundary_rules(policy),
        )

    def _boundary_rules(self, policy: str) -> tuple[CompiledStatement, ...]:
        return self._compiled.statements(
            ("policy as boundary", policy),
            self.changes,
            lambda: self._managed_text(policy),
            lambda: self._managed_rules(policy, BOUNDARY),
        )

    def session(self, session: str, document: str, arns: tuple[str, ...]) -> Permissions | None:
        """A session's policies, compiled together; None for a session without any."""
        if not document and not arns:
            return None

        def rules() -> Iterator[CompiledStatement]:
            if document:
                yield from compile_identity_policy(document, SESSION_POLICY, session, 0, SESSION)
            for arn in arns:
                yield from self._managed_rules(arn, SESSION_POLICY)

        return Permissions(tuple(rules()))

    def _identity_rules(self, identity: Identity) -> Iterator[CompiledStatement]:
        yield from self._compiled.statements(
            ("inline policies", identity.id),
            self.changes,
            lambda: (identity.arn, identity.inline),
            lambda: self._inline_rules(identity, ""),
        )
        for arn in identity.attached:
            yield from self._attached_rules(arn)
        for group in identity.groups:
            yield from self._group_rules(self.identities[group])

    def _attached_rules(self, arn: str) -> tuple[CompiledStatement, ...]:
        """Shared by all users and roles that have the policy attached."""
        return self._compiled.statements(
            ("attached policy", arn),
            self.changes,
            lambda: self._managed_text(arn),
            lambda: self._managed_rules(arn, IDENTITY_POLICY),
        )

    def _group_rules(self, group: Identity) -> tuple[CompiledStatement, ...]:
        """Shared by all members of the group."""
        return self._compiled.statements(
            ("group", group.id), self.changes, lambda: self._texts(group), lambda: self._own_rules(group, group.arn)
        )

    def _own_rules(self, group: Identity, via: str) -> Iterator[CompiledStatement]:
        yield from self._inline_rules(group, via)
        for arn in group.attached:
            yield from self._managed_rules(arn, IDENTITY_POLICY, via)

    def _inline_rules(self, identity: Identity, via: str) -> Iterator[CompiledStatement]:
        for name, inline in identity.inline.items():
            known_as = f"{identity.arn}#{name}"
            yield from compile_identity_policy(inline.document, IDENTITY_POLICY, known_as, inline.position, INLINE, via)

    def _texts(self, identity: Identity) -> tuple[object, ...]:
        """What the statements of an identity's own policies are made of."""
        return identity.arn, identity.inline, *(self._managed_text(arn) for arn in identity.attached)

    def _managed_text(self, arn: str) -> tuple[object, ...]:
        policy = self.managed(arn)
        return (arn,) if policy is None else (arn, policy.default, policy.document)

    def _managed_rules(self, arn: str, by: str, via: str = "") -> Iterator[CompiledStatement]:
        policy = self.managed(arn)
        if policy is not None:  # a policy that a session names may have been deleted; it then gives nothing
            yield from compile_identity_policy(policy.document, by, arn, policy.default, kind_of(arn), via)

    # -- changes, for event_effects.py ------------------------------------------------------------------------

    def add(self, identity: Identity) -> None:
        self.identities[identity.id] = identity
        self.name(identity.kind, identity.account, identity.name, identity.id)
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
        self.name(POLICY, policy.account, policy.name, policy.id)

    def name(self, kind: str, account: str, name: str, unique: str) -> None:
        self.ids[kind, account, name.lower()] = unique
        insort(self.listed.setdefault((kind, account), []), name.lower())

    def unname(self, kind: str, account: str, name: str) -> None:
        del self.ids[kind, account, name.lower()]
        self.listed[kind, account].remove(name.lower())

    def change(self, unique: str, **changes: object) -> None:
        self.identities[unique] = replace(self.identities[unique], **changes)  # type: ignore[arg-type]  # fields by name

    def set_access_key(self, unique: str, access_key: str, state: AccessKey | None) -> None:
        keys = {name: each for name, each in self.identities[unique].access_keys.items() if name != access_key}
        self.change(unique, access_keys=keys if state is None else keys | {access_key: state})

    def profile(self, account: str, name: str) -> InstanceProfile:
        """Raises NoSuchEntity."""
        found = self.ids.get((PROFILE, account, name.lower()))
        if found is None:
            raise NoSuchEntity(f"Instance Profile {name} cannot be found.")
        return self.profiles[found]

    def add_profile(self, profile: InstanceProfile) -> None:
        self.profiles[profile.id] = profile
        self.name(PROFILE, profile.account, profile.name, profile.id)
        if profile.role:
            insort(self.profiles_of.setdefault(profile.role, []), profile.id)

    def add_mfa_device(self, device: MfaDevice) -> None:
        self.mfa.add(device)
        self.name(MFA, device.account, device.name, device.arn)

    def tags(self, kind: str, unique: str) -> Mapping[str, str]:
        if kind == PROFILE:
            return self.profiles[unique].tags
        if kind == MFA:
            return self.mfa.by_serial[unique].tags
        if kind == OIDC:
            return self.oidc[unique].tags
        return self.policies[self.policy_arns[unique]].tags if kind == POLICY else self.identities[unique].tags

    def set_tags(self, kind: str, unique: str, tags: Mapping[str, str]) -> None:
        if kind == PROFILE:
            self.profiles[unique] = replace(self.profiles[unique], tags=tags)
        elif kind == MFA:
            self.mfa.change(unique, tags=tags)
        elif kind == OIDC:
            self.oidc[unique] = replace(self.oidc[unique], tags=tags)
        elif kind == POLICY:
            self.change_policy(unique, tags=tags)
        else:
            self.change(unique, tags=tags)

    def end_console_sessions(self, access_key: str, position: int, now: int) -> None:
        self.cut_off.pop(access_key, None)
        self.cut_off[access_key] = CutOff(position, now)
        while next(iter(self.cut_off.values())).at < now - CUT_OFF_WINDOW:
            del self.cut_off[next(iter(self.cut_off))]

    def change_policy(self, unique: str, **changes: object) -> None:
        arn = self.policy_arns[unique]
        self.policies[arn] = replace(self.policies[arn], **changes)  # type: ignore[arg-type]  # fields by name


def role_parts(
    arn: str, trust: str, version: int, principals: Mapping[str, str], description: str, max_session: int
) -> RoleParts:
    policy = compile_trust_policy(trust, arn, version, principals)
    return RoleParts(trust, version, principals, policy, description, max_session)
