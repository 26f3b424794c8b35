"""The events of identities: users, groups, roles and managed policies. Wire names are in catalogue.py.

`id` is the unique id (AIDA..., AGPA..., AROA..., ANPA..., AIPA...), which no later identity of the same name has; `kind` is
user, group, role, policy or instance-profile. `principals` gives the unique id that each hosted principal's ARN meant at that
time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UserCreated:
    """`boundary` is a managed policy's ARN, "" for none."""

    account: str
    id: str
    name: str
    path: str
    tags: Mapping[str, str]
    boundary: str


@dataclass(frozen=True, slots=True)
class GroupCreated:
    account: str
    id: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class RoleCreated:
    """`trust` is the policy that says who may assume it; `max_session` in seconds."""

    account: str
    id: str
    name: str
    path: str
    trust: str
    principals: Mapping[str, str]
    description: str
    max_session: int
    tags: Mapping[str, str]
    boundary: str


@dataclass(frozen=True, slots=True)
class IdentityMoved:
    """A user or group got another name or path. Its unique id stays."""

    account: str
    kind: str
    id: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class IdentityDeleted:
    """A user, group or role is gone; its unique id is never used again."""

    account: str
    kind: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class UserAccessKeyCreated:
    """An access key of a user. Its secret is in the vault."""

    account: str
    id: str
    access_key: str


@dataclass(frozen=True, slots=True)
class UserAccessKeyChanged:
    """`status` is Active or Inactive."""

    account: str
    id: str
    access_key: str
    status: str


@dataclass(frozen=True, slots=True)
class UserAccessKeyDeleted:
    account: str
    id: str
    access_key: str


@dataclass(frozen=True, slots=True)
class MemberAdded:
    """`group` and `user` are unique ids."""

    account: str
    group: str
    user: str


@dataclass(frozen=True, slots=True)
class MemberRemoved:
    account: str
    group: str
    user: str


@dataclass(frozen=True, slots=True)
class RoleDescribed:
    """The role's description and longest session were set."""

    account: str
    id: str
    description: str
    max_session: int


@dataclass(frozen=True, slots=True)
class TrustReplaced:
    """The role's whole trust policy was replaced. `version` counts from 1, the policy that the role was made with."""

    account: str
    id: str
    version: int
    trust: str
    principals: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InlinePolicyPut:
    """`policy` is the inline policy's name; an earlier policy of that name is replaced."""

    account: str
    kind: str
    id: str
    policy: str
    document: str


@dataclass(frozen=True, slots=True)
class InlinePolicyDeleted:
    account: str
    kind: str
    id: str
    policy: str


@dataclass(frozen=True, slots=True)
class PolicyAttached:
    """`policy` is the managed policy's ARN."""

    account: str
    kind: str
    id: str
    policy: str


@dataclass(frozen=True, slots=True)
class PolicyDetached:
    account: str
    kind: str
    id: str
    policy: str


@dataclass(frozen=True, slots=True)
class BoundarySet:
    """`policy` is the managed policy that limits what the identity's policies can give; "" if it was removed."""

    account: str
    kind: str
    id: str
    policy: str


@dataclass(frozen=True, slots=True)
class IdentityTagged:
    """Tags were set; tags with other keys stay."""

    account: str
    kind: str
    id: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class IdentityUntagged:
    account: str
    kind: str
    id: str
    keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class InstanceProfileCreated:
    account: str
    id: str
    name: str
    path: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InstanceProfileDeleted:
    account: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class InstanceProfileRoleSet:
    """`role` is the unique id of the one role that the profile has; "" if it was removed."""

    account: str
    id: str
    role: str


@dataclass(frozen=True, slots=True)
class ManagedPolicyCreated:
    """The policy begins with its first version, v1, which is the default."""

    account: str
    id: str
    name: str
    path: str
    description: str
    document: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PolicyVersionCreated:
    """`version` is v2 and so on; `default`: this version is in force from now on. `id` is the policy's unique id."""

    account: str
    id: str
    version: str
    document: str
    default: bool


@dataclass(frozen=True, slots=True)
class DefaultVersionSet:
    account: str
    id: str
    version: str


@dataclass(frozen=True, slots=True)
class PolicyVersionDeleted:
    account: str
    id: str
    version: str


@dataclass(frozen=True, slots=True)
class ManagedPolicyDeleted:
    account: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class MfaDeviceCreated:
    """A virtual MFA device. `seed` names the row of the vault that holds its seed, and `digest` is the SHA-256 of the seed in
    hex. A device is named by its ARN, its serial number."""

    account: str
    name: str
    path: str
    seed: str
    digest: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MfaDeviceEnabled:
    """`user` is the unique id of the user who has the device now. `drift` is how many steps of 30 seconds its clock is
    ahead, and `used` the step of the last code that it showed."""

    account: str
    serial: str
    user: str
    drift: int
    used: int


@dataclass(frozen=True, slots=True)
class MfaDeviceSynchronised:
    account: str
    serial: str
    drift: int
    used: int


@dataclass(frozen=True, slots=True)
class MfaDeviceDeactivated:
    """The user (a unique id) does not have the device any more."""

    account: str
    serial: str
    user: str


@dataclass(frozen=True, slots=True)
class MfaDeviceDeleted:
    account: str
    serial: str


@dataclass(frozen=True, slots=True)
class LoginProfileCreated:
    """A user got a password. `row` names the row of the vault that holds its hash, and `digest` is the SHA-256 of that hash
    in hex. `reset_required`: the user has to choose another one to sign in."""

    account: str
    id: str
    row: str
    digest: str
    reset_required: bool


@dataclass(frozen=True, slots=True)
class PasswordChanged:
    """The user's password was replaced. `version` counts the passwords of the profile from 1."""

    account: str
    id: str
    version: int
    row: str
    digest: str
    reset_required: bool


@dataclass(frozen=True, slots=True)
class PasswordResetRequired:
    """Whether the user has to choose another password to sign in; the password is the same."""

    account: str
    id: str
    reset_required: bool


@dataclass(frozen=True, slots=True)
class LoginProfileDeleted:
    account: str
    id: str


@dataclass(frozen=True, slots=True)
class OidcProviderCreated:
    """Tokens of an OpenID Connect provider can be exchanged for credentials of roles that trust it. `name` is its URL without
    `https://`, `client_ids` are the audiences of the tokens, and `thumbprints` the SHA-1 of certificates in hex."""

    account: str
    name: str
    client_ids: Sequence[str]
    thumbprints: Sequence[str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OidcProviderClientIdsSet:
    """`client_ids` are all audiences from now on."""

    account: str
    name: str
    client_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class OidcProviderThumbprintsSet:
    account: str
    name: str
    thumbprints: Sequence[str]


@dataclass(frozen=True, slots=True)
class OidcProviderDeleted:
    account: str
    name: str
