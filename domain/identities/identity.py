"""Users, groups, roles and managed policies. They are immutable; each event makes new ones.

Times are microseconds since the epoch; `position` is the place in the log where an inline policy was put.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.arn import iam_arn
from domain.identities.linked_services import as_made
from domain.policy.compile import CompiledPolicy

USER, GROUP, ROLE, POLICY = "user", "group", "role", "policy"
PROFILE = "instance-profile"
PREFIXES = {USER: "AIDA", GROUP: "AGPA", ROLE: "AROA", POLICY: "ANPA", PROFILE: "AIPA"}
"""The beginnings of unique ids (IAM user guide, reference_identifiers)."""


@dataclass(frozen=True, slots=True)
class InlinePolicy:
    document: str
    position: int


@dataclass(frozen=True, slots=True)
class AccessKey:
    status: str
    created: int


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """`row` names the row of the vault that holds the hash, and `digest` is the SHA-256 of that hash in hex."""

    row: str
    digest: str


@dataclass(frozen=True, slots=True)
class LoginProfile:
    """A user's password. `version` counts the passwords of this profile from 1, and `former` are the earlier ones, the
    newest first. `created` is the time of the profile and `changed` that of the password, in microseconds since the
    epoch. With `reset_required` the user has to choose another password to sign in."""

    created: int
    changed: int
    version: int
    password: StoredPassword
    reset_required: bool
    former: tuple[StoredPassword, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleParts:
    """The fields that only a role has."""

    trust: str
    version: int
    principals: Mapping[str, str]
    policy: CompiledPolicy
    description: str
    max_session: int


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, group or role. `attached` are ARNs of managed policies in the order of attachment; `boundary` is one ARN
    or "". Only users have `groups` (unique ids), `access_keys` and a `login` (None without a password); `role` is None for
    users and groups."""

    kind: str
    id: str
    account: str
    name: str
    path: str
    created: int
    tags: Mapping[str, str] = field(default_factory=dict)
    inline: Mapping[str, InlinePolicy] = field(default_factory=dict)
    attached: tuple[str, ...] = ()
    boundary: str = ""
    groups: tuple[str, ...] = ()
    access_keys: Mapping[str, AccessKey] = field(default_factory=dict)
    role: RoleParts | None = None
    login: LoginProfile | None = None

    @property
    def arn(self) -> str:
        return iam_arn(self.account, self.kind, self.path, self.name)

    @property
    def service_linked(self) -> bool:
        """Whether the role belongs to a service, and only the service may change it. It must be as
        CreateServiceLinkedRole makes it, and hold nothing that such a role could not have been given since. See
        domain/commands/service_linked_roles."""
        if self.role is None or self.inline or self.attached or self.boundary:
            return False
        return as_made(self.path, self.name, self.role.trust)


def stored_rows(user: Identity) -> list[str]:
    """The vault's rows that hold the hashes of a user's passwords."""
    login = user.login
    return [] if login is None else [each.row for each in (login.password, *login.former)]


@dataclass(frozen=True, slots=True)
class InstanceProfile:
    """`role` is the unique id of its role, "" if it has none. Nothing here runs on instances: profiles exist for tools
    that make roles."""

    id: str
    account: str
    name: str
    path: str
    created: int
    role: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return iam_arn(self.account, PROFILE, self.path, self.name)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    document: str
    created: int


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """`versions` by id (v1, v2, ...). `latest` is the highest number ever given; `default` is the version in force."""

    id: str
    account: str
    name: str
    path: str
    description: str
    created: int
    updated: int
    versions: Mapping[str, PolicyVersion]
    default: str
    latest: int
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return iam_arn(self.account, POLICY, self.path, self.name)

    @property
    def document(self) -> str:
        return self.versions[self.default].document
