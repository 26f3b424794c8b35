"""The events: what can happen to accounts, keys, policies, grants and aliases. Wire names stand in catalogue.py.

Every field is plain JSON, so that a record says the same in any language. A field's meaning is in the docstring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogCreated:
    """The first record: names the log and the region whose ARNs it holds."""

    log: str
    region: str


@dataclass(frozen=True, slots=True)
class WriterStarted:
    """A writer took over: a fence, after which nothing that an earlier writer still appends can be valid."""

    writer: str
    next_command: int


@dataclass(frozen=True, slots=True)
class CommandsSkipped:
    """An operator let the writer go on although commands were lost before it had read them."""

    from_command: int
    to_command: int


@dataclass(frozen=True, slots=True)
class AccountCreated:
    """An account is hosted here from now on; `access_key` is its root's first."""

    account: str
    access_key: str


@dataclass(frozen=True, slots=True)
class AccessKeyCreated:
    """One more access key for an account's root. Its secret is in the vault."""

    account: str
    access_key: str


@dataclass(frozen=True, slots=True)
class AccessKeyDisabled:
    """Calls signed with it are refused from now on."""

    account: str
    access_key: str


@dataclass(frozen=True, slots=True)
class KeyCreated:
    """A key and its first policy, version 1.

    `material` is the vault's id of the sealed material, `fingerprint` its SHA-256 under a domain label, in hex;
    `public_key` is DER SubjectPublicKeyInfo in base64, "" for symmetric keys. `policy` is the text that was given,
    or the documented default; `principals` gives the unique id that each hosted principal's ARN in it meant then.
    `locked_out`: the creator may not call PutKeyPolicy (and bypassed the check).
    """

    key: str
    account: str
    spec: str
    usage: str
    origin: str
    description: str
    policy: str
    tags: Mapping[str, str]
    material: str
    fingerprint: str
    public_key: str
    bypassed_lockout_check: bool
    locked_out: bool
    principals: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KeyEnabled:
    key: str


@dataclass(frozen=True, slots=True)
class KeyDisabled:
    key: str


@dataclass(frozen=True, slots=True)
class KeyDescribed:
    """The description was replaced."""

    key: str
    description: str


@dataclass(frozen=True, slots=True)
class PolicyReplaced:
    """The key policy was replaced whole. `version` counts from 1, the policy that the key was made with; `principals`
    gives the unique id that each hosted principal's ARN in it meant then.

    `locked_out`: whoever put it may not call PutKeyPolicy under it; that takes `bypassed_lockout_check`.
    """

    key: str
    version: int
    policy: str
    bypassed_lockout_check: bool
    locked_out: bool
    principals: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GrantCreated:
    """`grantee` and `retiring` ("" for none) are as given, an ARN or a service's name; `*_id` is what they mean: the
    unique id of a principal hosted here, else the same. `parent` is the grant that allowed this one, "" for a policy.
    `constraints` as in the API; `issuer` the caller's ARN, `issued_by` its account."""

    key: str
    grant: str
    name: str
    grantee: str
    grantee_id: str
    retiring: str
    retiring_id: str
    operations: Sequence[str]
    constraints: Mapping[str, Mapping[str, str] | str]
    issued_by: str
    issuer: str
    parent: str


@dataclass(frozen=True, slots=True)
class GrantFound:
    """A CreateGrant with the name and parameters of a grant that is there: nothing changed, its id is the answer."""

    key: str
    grant: str


@dataclass(frozen=True, slots=True)
class GrantRevoked:
    """Ended by who may revoke on the key."""

    key: str
    grant: str


@dataclass(frozen=True, slots=True)
class GrantRetired:
    """Ended by who the grant itself says may retire it."""

    key: str
    grant: str


@dataclass(frozen=True, slots=True)
class AliasCreated:
    """`alias` is the name with its prefix `alias/`."""

    account: str
    alias: str
    key: str


@dataclass(frozen=True, slots=True)
class AliasMoved:
    """The alias points to another key."""

    account: str
    alias: str
    key: str
    previous_key: str


@dataclass(frozen=True, slots=True)
class AliasDeleted:
    account: str
    alias: str
    key: str
