"""Turns events into versions. This projection folds: it continues from the world that its newest versions make.

`touched` says which aggregates an event changes. Their new state is read from the world, so no rule of `evolve` is written
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

import orjson

from domain.arn import alias_arn, iam_arn, parse_arn
from domain.identities.mfa_devices import MFA
from domain.identities.oidc_providers import provider_arn
from domain.log import events, identity_events, sign_in_events
from domain.log.codec import micros
from domain.log.levels import LevelRaised
from domain.state import documents
from domain.state.world import World
from projections.log.changes import Appends, Closes, InsertsOnce, TableChange, TableRow
from projections.log.entry import Entry

KEY, ALIAS, GRANT, ACCOUNT, SERVICE, IDENTITY, POLICY, PROFILE, MFA_DEVICE, OIDC_PROVIDER = (
    "key",
    "alias",
    "grant",
    "account",
    "service",
    "identity",
    "policy",
    "instance-profile",
    "mfa",
    "oidc-provider",
)
COLUMNS = (
    "kind",
    "id",
    "account",
    "about",
    "arn",
    "position",
    "at",
    "until_position",
    "until_at",
    "document",
    "policy",
)
UNTIL_POSITION, UNTIL_AT = COLUMNS.index("until_position"), COLUMNS.index("until_at")
STILL = 2**63 - 1
"""The `until_position` of a version that is still in force."""

AggregateName = tuple[str, str]
"""(kind, id)."""
HistoryRow = tuple[str, str | None, str | None, documents.AggregateDocument, str | None]
"""(account, about, arn, document, a key policy's text)."""


def touched(event: object, world: World) -> list[AggregateName]:
    """The aggregates that an event changes; `world` is the world before it."""
    match event:
        case events.KeyCreated() as made if made.alias:
            return [(KEY, made.key), (ALIAS, alias_arn(world.region, made.account, made.alias))]
        case events.KeyDeleted() as gone:
            aliases = [(ALIAS, alias_arn(world.region, gone.account, name)) for name in gone.aliases]
            return [(KEY, gone.key), *aliases, *((GRANT, grant) for grant in world.grants.get(gone.key, ()))]
        case events.AliasCreated() | events.AliasMoved() | events.AliasDeleted() as named:
            return [(ALIAS, alias_arn(world.region, named.account, named.alias))]
        case events.GrantCreated() | events.GrantRevoked() | events.GrantRetired() as granted:
            return [(GRANT, granted.grant)]
        case (
            events.AccountCreated()
            | events.AccountAliasSet()
            | sign_in_events.PasswordPolicySet()
            | sign_in_events.PasswordPolicyDeleted()
            | events.AccessKeyCreated()
            | events.AccessKeyDisabled()
            | events.AccessKeyEnding() as of_account
        ):
            return [(ACCOUNT, of_account.account)]
        case events.ServiceRegistered() | events.ServiceRemoved() as of_service:
            return [(SERVICE, of_service.service)]
        case (
            events.LogCreated()
            | LevelRaised()
            | events.WriterStarted()
            | events.CommandsSkipped()
            | events.ClockRead()
            | events.LogAuthenticated()
            | events.LogKeyRotated()
            | events.LogKeyRetired()
            | events.TreeKeyRotated()
            | events.CommandsRefused()
            | events.DecisionsAnchored()
            | events.AlertMarked()
            | events.ConsoleCodeRedeemed()
            | sign_in_events.ConsoleSignedOut()
            | events.GrantFound()
        ):
            return []
        case identity_events.MemberAdded() | identity_events.MemberRemoved() as membership:
            return [(IDENTITY, membership.user)]
        case (
            identity_events.ManagedPolicyCreated()
            | identity_events.PolicyVersionCreated()
            | identity_events.DefaultVersionSet()
            | identity_events.PolicyVersionDeleted()
            | identity_events.ManagedPolicyDeleted() as of_policy
        ):
            return [(POLICY, of_policy.id)]
        case identity_events.IdentityTagged() | identity_events.IdentityUntagged() as tagged:
            return [
                (tagged.kind if tagged.kind in (POLICY, PROFILE, MFA_DEVICE, OIDC_PROVIDER) else IDENTITY, tagged.id)
            ]
        case (
            identity_events.InstanceProfileCreated()
            | identity_events.InstanceProfileDeleted()
            | identity_events.InstanceProfileRoleSet() as of_profile
        ):
            return [(PROFILE, of_profile.id)]
        case identity_events.MfaDeviceCreated() as made:
            return [(MFA_DEVICE, iam_arn(made.account, MFA, made.path, made.name))]
        case (
            identity_events.MfaDeviceEnabled()
            | identity_events.MfaDeviceSynchronised()
            | identity_events.MfaDeviceDeactivated()
            | identity_events.MfaDeviceDeleted()
            | sign_in_events.MfaCodeUsed() as of_device
        ):
            return [(MFA_DEVICE, of_device.serial)]
        case (
            identity_events.OidcProviderCreated()
            | identity_events.OidcProviderClientIdsSet()
            | identity_events.OidcProviderThumbprintsSet()
            | identity_events.OidcProviderDeleted() as of_provider
        ):
            return [(OIDC_PROVIDER, provider_arn(of_provider.account, of_provider.name))]
    key = getattr(event, "key", None)
    return [(KEY, key)] if key is not None else [(IDENTITY, cast(Any, event).id)]


def _key(world: World, name: str, event: Any) -> HistoryRow | None:
    key = world.keys.get(name)
    return None if key is None else (key.account, None, None, documents.key_document(key), key.policy_text)


def _alias(world: World, name: str, event: Any) -> HistoryRow | None:
    arn = parse_arn(name)
    found = None if arn is None else world.alias_index.of(arn.region).get((arn.account, arn.resource))
    return None if found is None else (found.account, found.key, None, documents.alias_document(found), None)


def _grant(world: World, name: str, event: Any) -> HistoryRow | None:
    grant = world.grants.get(event.key, {}).get(name)
    if grant is None:
        return None
    return world.keys[grant.key].account, grant.key, None, documents.grant_document(grant), None


def _account(world: World, name: str, event: Any) -> HistoryRow | None:
    return name, None, None, documents.account_document(world.accounts[name]), None


def _service(world: World, name: str, event: Any) -> HistoryRow | None:
    for access_key, service in world.services.items():
        if service.name == name:
            document = documents.service_document(service) | {"access_key": access_key}
            return service.account, None, None, document, None
    return None


def _identity(world: World, name: str, event: Any) -> HistoryRow | None:
    found = world.directory.identities.get(name)
    return None if found is None else (found.account, None, found.arn, documents.identity_document(found), None)


def _policy(world: World, name: str, event: Any) -> HistoryRow | None:
    arn = world.directory.policy_arns.get(name)
    if arn is None:
        return None
    found = world.directory.policies[arn]
    return found.account, None, arn, documents.policy_document(found), None


def _profile(world: World, name: str, event: Any) -> HistoryRow | None:
    found = world.directory.profiles.get(name)
    return None if found is None else (found.account, None, found.arn, documents.profile_document(found), None)


def _mfa_device(world: World, name: str, event: Any) -> HistoryRow | None:
    found = world.directory.mfa.by_serial.get(name)
    return None if found is None else (found.account, None, name, documents.mfa_document(found), None)


def _oidc_provider(world: World, name: str, event: Any) -> HistoryRow | None:
    found = world.directory.oidc.get(name)
    return None if found is None else (found.account, None, name, documents.oidc_document(found), None)


FIND: dict[str, Callable[[World, str, Any], HistoryRow | None]] = {
    KEY: _key,
    ALIAS: _alias,
    GRANT: _grant,
    ACCOUNT: _account,
    SERVICE: _service,
    IDENTITY: _identity,
    POLICY: _policy,
    PROFILE: _profile,
    MFA_DEVICE: _mfa_device,
    OIDC_PROVIDER: _oidc_provider,
}


class HistoryBatch:
    """The versions that a batch of entries makes. `take` also moves `world` to the state after the entry."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._rows: list[list[Any]] = []
        self._open: dict[AggregateName, list[Any]] = {}
        self._closes: dict[AggregateName, tuple[int, datetime]] = {}
        self._moments: list[TableRow] = []
        self._texts: dict[str, str] = {}
        self.size = 0
        """How many characters the rows' documents have."""

    def take(self, entry: Entry) -> None:
        world = self.world
        world.region = entry.region
        world.position, world.at = entry.offset, max(world.at, micros(entry.document["at"]))
        self._moments.append((entry.offset, entry.at))
        if entry.event is None:
            return
        changed = touched(entry.event, world)
        world.apply(entry.event)
        for aggregate in changed:
            last = self._open.pop(aggregate, None)
            if last is not None:
                last[UNTIL_POSITION], last[UNTIL_AT] = entry.offset, entry.at
            elif aggregate not in self._closes:
                self._closes[aggregate] = (entry.offset, entry.at)
            found = FIND[aggregate[0]](world, aggregate[1], entry.event)
            if found is not None:
                self._begin(aggregate, found, entry)

    def _begin(self, aggregate: AggregateName, found: HistoryRow, entry: Entry) -> None:
        account, about, arn, document, text = found
        digest = None
        if text is not None:
            digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            self._texts[digest] = text
        dumped = _dumps(document)
        self.size += len(dumped)
        row = [*aggregate, account, about, arn, entry.offset, entry.at, STILL, None, dumped, digest]
        self._rows.append(row)
        self._open[aggregate] = row

    def changes(self) -> list[TableChange]:
        """The changes of the tables for all entries so far."""
        result: list[TableChange] = []
        if self._closes:
            result.append(Closes("history", [(*aggregate, *ended) for aggregate, ended in self._closes.items()]))
        if self._rows:
            result.append(Appends("history", COLUMNS, [tuple(row) for row in self._rows]))
        if self._texts:
            result.append(InsertsOnce("texts", ("digest", "text"), list(self._texts.items())))
        if self._moments:
            result.append(Appends("moments", ("position", "at"), self._moments))
        return result


MOST_SIZE = 64 << 20
"""How many characters the rows of a portion may have before its last row. A small change of a policy, such as a tag, makes a row
with all of its versions: some hundred times as much as is read."""


def changes(entries: Iterable[Entry], world: World, most: int = MOST_SIZE) -> Iterator[TableChange]:
    """The changes that a batch makes, one portion after the other: write each change before you take the next. Also moves `world`
    to the state after the batch."""
    batch = HistoryBatch(world)
    for entry in entries:
        batch.take(entry)
        if batch.size >= most:
            yield from batch.changes()
            batch = HistoryBatch(world)
    yield from batch.changes()


def _dumps(document: Any) -> str:
    return orjson.dumps(document).decode()
