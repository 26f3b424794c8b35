"""The events: what can happen to accounts, keys, policies, grants and aliases. Wire names are in catalogue.py.

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
    """A writer took over. This record is a fence: nothing that an earlier writer appends after it can be valid."""

    writer: str
    next_command: int


@dataclass(frozen=True, slots=True)
class CommandsSkipped:
    """An operator let the writer go on although it had not read all commands: they were lost, or the log was restored
    without its commands. In that case their offsets begin again from the start."""

    from_command: int
    to_command: int


@dataclass(frozen=True, slots=True)
class LogAuthenticated:
    """From this record on, every record must be authentic. `before` holds, by kind of topic and partition, the first offset
    of the other topics to which that applies: values below it were written by versions that made no MAC."""

    before: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class LogKeyRotated:
    """The records after this one are authenticated with the key of this id."""

    authentication_key: str


@dataclass(frozen=True, slots=True)
class LogKeyRetired:
    """No process uses the key of this id any more. A value of another topic that is authenticated with it counts only below
    the offsets in `before`, by kind of topic and partition."""

    authentication_key: str
    before: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class TreeKeyRotated:
    """Checkpoints of the transparency log are signed with the key `verifier_key` from now on, and with `former` for a while.
    Both are verifier keys (C2SP signed-note)."""

    verifier_key: str
    former: str


@dataclass(frozen=True, slots=True)
class CommandsRefused:
    """`count` commands between two offsets were not authentic: somebody other than Keytrail wrote them. They had no effect."""

    from_command: int
    to_command: int
    count: int


@dataclass(frozen=True, slots=True)
class DecisionsAnchored:
    """How far an API worker's decisions reach. Each of `lanes` has the lane's number (`lane`), the `partition` that it
    appends to, and the `number` and `digest` of its last record that is durable."""

    worker: str
    lanes: Sequence[Mapping[str, int | str]]


@dataclass(frozen=True, slots=True)
class ClockRead:
    """The writer's clock, recorded before material is destroyed, so that it can be compared with the broker's clock."""

    writer: str


@dataclass(frozen=True, slots=True)
class AlertMarked:
    """Somebody dealt with an alert: `state` is acknowledged, resolved, or open again; `note` is that person's. `account` is
    the alert's, "" for an alert about Keytrail itself."""

    account: str
    alert: str
    state: str
    note: str


@dataclass(frozen=True, slots=True)
class ConsoleCodeRedeemed:
    """A one-time code became a console session. The record's call says whose; `code` is the code's id, which opens
    nothing."""

    account: str
    code: str


@dataclass(frozen=True, slots=True)
class ServiceRegistered:
    """A service principal that calls with this access key. `account` is the service's own. `alias` is its name in
    `alias/aws/...`, for the keys that it manages for others."""

    service: str
    account: str
    access_key: str
    alias: str


@dataclass(frozen=True, slots=True)
class ServiceRemoved:
    """The settings no longer name the service: its calls are refused. The keys that it manages stay."""

    service: str


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
class AccountAliasSet:
    """The one alias of an account; "" if it was removed."""

    account: str
    alias: str


@dataclass(frozen=True, slots=True)
class AccessKeyDisabled:
    """Calls signed with it are refused from now on."""

    account: str
    access_key: str


@dataclass(frozen=True, slots=True)
class AccessKeyEnding:
    """An access key of an account's root will be disabled at `due` (RFC 3339). Until then it is as good as before."""

    account: str
    access_key: str
    due: str


@dataclass(frozen=True, slots=True)
class KeyCreated:
    """A key and its first policy, version 1.

    `material` is the material's id and its name in the vault, "" for a key whose material is to be imported; `fingerprint`
    is its SHA-256 under a domain label, in hex; `public_key` is DER SubjectPublicKeyInfo in base64, "" for secret keys.
    `policy` is the text that was given, or the documented default; `principals` gives the unique id that each hosted
    principal's ARN in it meant then. `locked_out`: the creator may not call PutKeyPolicy (under the default policy, or
    because the check was bypassed). `manager` is "" for a key that its account manages, else the service that manages it
    for the account; `alias` is the alias that the key got at once.
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
    manager: str
    alias: str


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
class KeyTagged:
    """Tags were added, or their values replaced; `all_tags` are the tags that the key has now."""

    key: str
    tags: Mapping[str, str]
    all_tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KeyUntagged:
    """Tags were removed; `all_tags` are the tags that the key still has."""

    key: str
    tag_keys: Sequence[str]
    all_tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RotationEnabled:
    """The material is rotated every `period_days` from now on, for the first time at `next` (RFC 3339)."""

    key: str
    period_days: int
    next: str


@dataclass(frozen=True, slots=True)
class RotationDisabled:
    """The key is no longer rotated automatically; older material still decrypts."""

    key: str


@dataclass(frozen=True, slots=True)
class KeyRotated:
    """`material` is current now; earlier material only decrypts. `stored` is its name in the vault; `rotation` is AUTOMATIC
    or ON_DEMAND; `next` is when the next rotation is due (RFC 3339), "" for never."""

    key: str
    material: str
    stored: str
    fingerprint: str
    rotation: str
    next: str


@dataclass(frozen=True, slots=True)
class MaterialImported:
    """Material was imported, for the first time or again. `material` is its id, the same for the same material of the same
    key; `stored` is its name in the vault, new at each import; `valid_to` is when it expires (RFC 3339), "" for never;
    `pending`: it waits for a rotation. `state` is the key's state from then on."""

    key: str
    material: str
    stored: str
    fingerprint: str
    public_key: str
    valid_to: str
    description: str
    pending: bool
    state: str


@dataclass(frozen=True, slots=True)
class MaterialDeleted:
    """Imported material was destroyed. `stored` is its name in the vault, "" if it was gone already; `state` is the key's
    state from then on."""

    key: str
    material: str
    stored: str
    state: str


@dataclass(frozen=True, slots=True)
class MaterialExpired:
    """Imported material expired and was destroyed. `state` is the key's state from then on."""

    key: str
    material: str
    stored: str
    state: str


@dataclass(frozen=True, slots=True)
class DeletionScheduled:
    """The key will be deleted at `due` (RFC 3339), `days` from now, and cannot be used until then."""

    key: str
    days: int
    due: str


@dataclass(frozen=True, slots=True)
class DeletionCancelled:
    """The key stays; `state` is Disabled, or PendingImport if its material is gone."""

    key: str
    state: str


@dataclass(frozen=True, slots=True)
class KeyDeleted:
    """The key is gone with its aliases, grants and material, whose names in the vault are `stored`. All its grants are gone;
    `grants` names them if there are at most 10,000."""

    key: str
    account: str
    aliases: Sequence[str]
    grants: Sequence[str]
    stored: Sequence[str]


@dataclass(frozen=True, slots=True)
class PolicyReplaced:
    """The whole key policy was replaced. `version` counts from 1, the policy that the key was made with; `principals` gives
    the unique id that each hosted principal's ARN in it meant then.

    `locked_out`: the new policy does not let its author call PutKeyPolicy, which is possible only with
    `bypassed_lockout_check`.
    """

    key: str
    version: int
    policy: str
    bypassed_lockout_check: bool
    locked_out: bool
    principals: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GrantCreated:
    """`grantee` and `retiring` ("" for none) are as given, an ARN or a service's name; `*_id` is what they mean: the unique
    id of a principal hosted here, else the same. `parent` is the grant that allowed this one, "" if a policy did.
    `constraints` are as in the API; `issuer` is the caller's ARN, `issued_by` its account."""

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
    """A CreateGrant with the name and parameters of an existing grant: nothing changed, and the answer is that grant's id."""

    key: str
    grant: str


@dataclass(frozen=True, slots=True)
class GrantRevoked:
    """A caller with permission to revoke grants on the key ended the grant."""

    key: str
    grant: str


@dataclass(frozen=True, slots=True)
class GrantRetired:
    """A principal that the grant itself names to retire it ended the grant."""

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
