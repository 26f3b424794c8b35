"""The catalogue: every event type by its wire name. docs/events.md is generated from this table."""

from __future__ import annotations

from dataclasses import dataclass

from domain.log import events
from domain.log import identity_events as identities
from domain.log import sign_in_events as sign_in
from domain.log.levels import FIRST, LevelRaised

KEY_POLICY, GRANT, IDENTITY, TAGS, ALIAS, NONE = ("key policy", "grant", "identity", "tags", "alias", "")
"""What an event can change about access; NONE for an event that changes nobody's access."""


@dataclass(frozen=True, slots=True)
class EventType:
    """`name` with its version is the wire name, for ever; `event` holds the newest version's fields. `access` is what the
    event changes about access. `level` is the level (levels.py) from which on the log may hold it."""

    name: str
    version: int
    event: type
    summary: str
    access: str
    level: int = FIRST

    @property
    def wire(self) -> str:
        return f"{self.name}.v{self.version}"


_ROWS = (
    EventType("log.created", 1, events.LogCreated, "log {log} created in {region}", NONE),
    EventType("log.level-raised", 1, LevelRaised, "records may say what level {level} has", NONE, 2),
    EventType("writer.started", 1, events.WriterStarted, "writer {writer} took over", NONE),
    EventType("commands.skipped", 1, events.CommandsSkipped, "commands {from_command} to {to_command} skipped", NONE),
    EventType("log.authenticated", 1, events.LogAuthenticated, "every record has to be authentic from here on", NONE),
    EventType(
        "log.key-rotated",
        1,
        events.LogKeyRotated,
        "records are authenticated with key {authentication_key} from here on",
        NONE,
    ),
    EventType(
        "log.key-retired", 1, events.LogKeyRetired, "key {authentication_key} authenticates nothing new any more", NONE
    ),
    EventType(
        "log.tree-key-rotated",
        1,
        events.TreeKeyRotated,
        "checkpoints of the transparency log are signed with {verifier_key} from here on",
        NONE,
    ),
    EventType(
        "commands.refused",
        1,
        events.CommandsRefused,
        "{count} commands were not Keytrail's own, and were refused",
        NONE,
    ),
    EventType("decisions.anchored", 1, events.DecisionsAnchored, "decisions of worker {worker} anchored", NONE),
    EventType("clock.read", 1, events.ClockRead, "writer {writer} compares its clock with the broker's", NONE),
    EventType("alert.marked", 1, events.AlertMarked, "alert {alert} is {state} now", NONE),
    EventType("console.code-redeemed", 1, events.ConsoleCodeRedeemed, "console opened with code {code}", NONE),
    EventType(
        "console.signed-out", 1, sign_in.ConsoleSignedOut, "console session {access_key} ended: signed out", NONE, 2
    ),
    EventType("service.registered", 1, events.ServiceRegistered, "service {service} registered", NONE),
    EventType("service.removed", 1, events.ServiceRemoved, "service {service} removed", NONE),
    EventType("account.created", 1, events.AccountCreated, "account {account} created", IDENTITY),
    EventType("access-key.created", 1, events.AccessKeyCreated, "access key {access_key} created", IDENTITY),
    EventType("access-key.disabled", 1, events.AccessKeyDisabled, "access key {access_key} disabled", IDENTITY),
    EventType("access-key.ending", 1, events.AccessKeyEnding, "access key {access_key} will be disabled {due}", NONE),
    EventType("account.alias-set", 1, events.AccountAliasSet, "alias of account {account}: {alias}", NONE),
    EventType("account.password-policy-set", 1, sign_in.PasswordPolicySet, "password policy replaced", NONE),
    EventType("account.password-policy-deleted", 1, sign_in.PasswordPolicyDeleted, "password policy deleted", NONE),
    EventType("mfa.code-used", 1, sign_in.MfaCodeUsed, "a code of MFA device {serial} was used", NONE),
    EventType("key.created", 3, events.KeyCreated, "{spec} key created for {usage}", KEY_POLICY),
    EventType("key.enabled", 1, events.KeyEnabled, "key enabled", NONE),
    EventType("key.disabled", 1, events.KeyDisabled, "key disabled", NONE),
    EventType("key.described", 1, events.KeyDescribed, "description set to {description!r}", NONE),
    EventType("key.tagged", 1, events.KeyTagged, "tagged {tags}", TAGS),
    EventType("key.untagged", 1, events.KeyUntagged, "tags {tag_keys} removed", TAGS),
    EventType(
        "key.rotation-enabled", 1, events.RotationEnabled, "rotated every {period_days} days from {next} on", NONE
    ),
    EventType("key.rotation-disabled", 1, events.RotationDisabled, "not rotated by itself any more", NONE),
    EventType("key.rotated", 1, events.KeyRotated, "rotated ({rotation}) to material {material}", NONE),
    EventType("key.material-imported", 1, events.MaterialImported, "material {material} imported", NONE),
    EventType("key.material-deleted", 1, events.MaterialDeleted, "imported material {material} deleted", NONE),
    EventType("key.material-expired", 1, events.MaterialExpired, "imported material {material} expired", NONE),
    EventType("key.deletion-scheduled", 1, events.DeletionScheduled, "to be deleted at {due}", NONE),
    EventType("key.deletion-cancelled", 1, events.DeletionCancelled, "deletion cancelled", NONE),
    EventType("key.deleted", 1, events.KeyDeleted, "key deleted, with {aliases}", KEY_POLICY),
    EventType("key.policy-replaced", 2, events.PolicyReplaced, "policy replaced by version {version}", KEY_POLICY),
    EventType("grant.created", 1, events.GrantCreated, "grant {grant} for {grantee}: {operations}", GRANT),
    EventType("grant.found", 1, events.GrantFound, "grant {grant} was there already", NONE),
    EventType("grant.revoked", 1, events.GrantRevoked, "grant {grant} revoked", GRANT),
    EventType("grant.retired", 1, events.GrantRetired, "grant {grant} retired", GRANT),
    EventType("alias.created", 1, events.AliasCreated, "{alias} created", ALIAS),
    EventType("alias.moved", 1, events.AliasMoved, "{alias} moved from key {previous_key}", ALIAS),
    EventType("alias.deleted", 1, events.AliasDeleted, "{alias} deleted", ALIAS),
    EventType("user.created", 1, identities.UserCreated, "user {name} created", IDENTITY),
    EventType("group.created", 1, identities.GroupCreated, "group {name} created", IDENTITY),
    EventType("role.created", 1, identities.RoleCreated, "role {name} created", IDENTITY),
    EventType("identity.moved", 1, identities.IdentityMoved, "{kind} {id} is now {path}{name}", IDENTITY),
    EventType("identity.deleted", 1, identities.IdentityDeleted, "{kind} {name} deleted", IDENTITY),
    EventType(
        "user.access-key-created",
        1,
        identities.UserAccessKeyCreated,
        "access key {access_key} of user {id} created",
        IDENTITY,
    ),
    EventType(
        "user.access-key-changed",
        1,
        identities.UserAccessKeyChanged,
        "access key {access_key} of user {id}: {status}",
        IDENTITY,
    ),
    EventType(
        "user.access-key-deleted",
        1,
        identities.UserAccessKeyDeleted,
        "access key {access_key} of user {id} deleted",
        IDENTITY,
    ),
    EventType("group.member-added", 1, identities.MemberAdded, "user {user} joined group {group}", IDENTITY),
    EventType("group.member-removed", 1, identities.MemberRemoved, "user {user} left group {group}", IDENTITY),
    EventType(
        "role.described", 1, identities.RoleDescribed, "role {id}: {description!r}, sessions of {max_session} s", NONE
    ),
    EventType(
        "role.trust-replaced",
        1,
        identities.TrustReplaced,
        "trust policy of role {id} replaced by version {version}",
        IDENTITY,
    ),
    EventType(
        "identity.policy-put", 1, identities.InlinePolicyPut, "inline policy {policy} of {kind} {id} put", IDENTITY
    ),
    EventType(
        "identity.policy-deleted",
        1,
        identities.InlinePolicyDeleted,
        "inline policy {policy} of {kind} {id} deleted",
        IDENTITY,
    ),
    EventType("identity.policy-attached", 1, identities.PolicyAttached, "{policy} attached to {kind} {id}", IDENTITY),
    EventType("identity.policy-detached", 1, identities.PolicyDetached, "{policy} detached from {kind} {id}", IDENTITY),
    EventType("identity.boundary-set", 1, identities.BoundarySet, "boundary of {kind} {id}: {policy}", IDENTITY),
    EventType("identity.tagged", 1, identities.IdentityTagged, "{kind} {id} tagged", TAGS),
    EventType("identity.untagged", 1, identities.IdentityUntagged, "{kind} {id} untagged", TAGS),
    EventType(
        "instance-profile.created", 1, identities.InstanceProfileCreated, "instance profile {name} created", NONE
    ),
    EventType(
        "instance-profile.deleted", 1, identities.InstanceProfileDeleted, "instance profile {name} deleted", NONE
    ),
    EventType(
        "instance-profile.role-set", 1, identities.InstanceProfileRoleSet, "instance profile {id}: role {role}", NONE
    ),
    EventType("user.login-profile-created", 1, identities.LoginProfileCreated, "user {id} got a password", NONE),
    EventType(
        "user.password-changed", 1, identities.PasswordChanged, "password {version} of user {id} is in force", NONE
    ),
    EventType(
        "user.password-reset-required",
        1,
        identities.PasswordResetRequired,
        "user {id} has to choose a password: {reset_required}",
        NONE,
    ),
    EventType(
        "user.login-profile-deleted", 1, identities.LoginProfileDeleted, "user {id} has no password any more", NONE
    ),
    EventType(
        "oidc-provider.created",
        1,
        identities.OidcProviderCreated,
        "OpenID Connect provider {name} registered",
        NONE,
    ),
    EventType(
        "oidc-provider.client-ids-set",
        1,
        identities.OidcProviderClientIdsSet,
        "audiences of OpenID Connect provider {name}: {client_ids}",
        NONE,
    ),
    EventType(
        "oidc-provider.thumbprints-set",
        1,
        identities.OidcProviderThumbprintsSet,
        "certificates of OpenID Connect provider {name}: {thumbprints}",
        NONE,
    ),
    EventType(
        "oidc-provider.deleted", 1, identities.OidcProviderDeleted, "OpenID Connect provider {name} deleted", NONE
    ),
    EventType("mfa-device.created", 1, identities.MfaDeviceCreated, "virtual MFA device {name} created", NONE),
    EventType("mfa-device.enabled", 1, identities.MfaDeviceEnabled, "user {user} has MFA device {serial}", NONE),
    EventType("mfa-device.synchronised", 1, identities.MfaDeviceSynchronised, "MFA device {serial} synchronised", NONE),
    EventType(
        "mfa-device.deactivated",
        1,
        identities.MfaDeviceDeactivated,
        "user {user} does not have MFA device {serial} any more",
        NONE,
    ),
    EventType("mfa-device.deleted", 1, identities.MfaDeviceDeleted, "virtual MFA device {serial} deleted", NONE),
    EventType("policy.created", 1, identities.ManagedPolicyCreated, "managed policy {name} created", IDENTITY),
    EventType(
        "policy.version-created",
        1,
        identities.PolicyVersionCreated,
        "version {version} of policy {id} created",
        IDENTITY,
    ),
    EventType("policy.default-set", 1, identities.DefaultVersionSet, "policy {id} is {version} now", IDENTITY),
    EventType(
        "policy.version-deleted",
        1,
        identities.PolicyVersionDeleted,
        "version {version} of policy {id} deleted",
        IDENTITY,
    ),
    EventType("policy.deleted", 1, identities.ManagedPolicyDeleted, "managed policy {name} deleted", IDENTITY),
)

CATALOGUE: dict[str, EventType] = {row.wire: row for row in _ROWS}
WIRE_NAMES: dict[type, str] = {row.event: row.wire for row in _ROWS}
NEWEST: dict[str, int] = {row.name: row.version for row in _ROWS}
"""The newest version of each event, by its name without the version."""
LEVELS: dict[type, int] = {row.event: row.level for row in _ROWS}
"""The level from which on the log may hold an event."""
