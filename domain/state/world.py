"""The world: every aggregate after the valid prefix of the log, held by one owner and updated in place.

`fold` is the one function that turns records into state; the writer, the API, snapshots and the history all use it. It
never refuses: whatever a valid record says is true. Keys, aliases, grants and the calls of the last minutes each have
an index that keeps its own invariants. Anyone may read them through the world; only the world changes them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod

from domain.aliases.alias import RESERVED, Alias
from domain.arn import ACCOUNT_ID, PARTITION, WELL_FORMED, alias_arn, is_elsewhere, key_arn, parse_arn
from domain.authorization.question import Resource
from domain.errors import AliasNotFound, InvalidArn, KeyNotFound
from domain.grants.grant import Grant, granted
from domain.identities import event_effects
from domain.identities.account import ACTIVE, INACTIVE, Account, Service
from domain.identities.directory import Directory
from domain.identities.password_policy import PasswordPolicy
from domain.keys import key as keys
from domain.keys.key import Key
from domain.keys.limits import Limits
from domain.log import events, identity_events, sign_in_events
from domain.log.catalogue import CATALOGUE
from domain.log.codec import micros
from domain.log.levels import FIRST, FIRST_VERSION, LevelRaised
from domain.log.record import Record
from domain.state.alias_index import AliasIndex
from domain.state.grant_index import GrantIndex
from domain.state.key_index import KeyIndex
from domain.state.recent_calls import RecentCalls
from domain.state.sign_outs import SignOuts

IDENTITY_EVENTS = frozenset(row.event for row in CATALOGUE.values() if row.event.__module__ == identity_events.__name__)


@dataclass(slots=True)
class World:
    """State at `position` (-1: nothing yet). Its one owner updates it in place."""

    log: str = ""
    region: str = ""
    position: int = -1
    at: int = 0
    writer: str = ""
    next_command: int = 0
    level: int = FIRST
    """The level of the log's format (log/levels.py), and the version that brought it."""
    level_version: str = FIRST_VERSION
    accounts: dict[str, Account] = field(default_factory=dict)
    access_keys: dict[str, str] = field(default_factory=dict)
    """The root users' access keys: from access key to account."""
    services: dict[str, Service] = field(default_factory=dict)
    """Service principals, by their access key."""
    directory: Directory = field(default_factory=Directory)
    key_index: KeyIndex = field(default_factory=KeyIndex)
    alias_index: AliasIndex = field(default_factory=AliasIndex)
    grant_index: GrantIndex = field(default_factory=GrantIndex)
    recent_calls: RecentCalls = field(default_factory=RecentCalls)
    sign_outs: SignOuts = field(default_factory=SignOuts)
    resources: dict[str, Resource] = field(default_factory=dict)
    """Keys with aliases or grants in the evaluator's form, by key id. Each is added when it is first asked for."""
    limits: Limits = field(default_factory=Limits)
    """The limits of this installation; not part of the log."""
    deciding_at: int = 0
    """The time of the decision in progress, set by the decider. Not part of the log."""
    of_trail: bool = False
    """Whether a trail tells it. Only then its marks for what it never saw (domain/policy/unseen.py) are not words of users."""

    @property
    def now(self) -> int:
        """Microseconds since the epoch, never earlier than the last record."""
        return max(self.at, self.deciding_at)

    # -- what the world holds ---------------------------------------------------------------------------------

    @property
    def keys(self) -> Mapping[str, Key]:
        """By id."""
        return self.key_index.by_id

    @property
    def deleted(self) -> Mapping[str, str]:
        """Deleted keys: from id to account."""
        return self.key_index.deleted

    @property
    def materials(self) -> Set[str]:
        """The vault's names of all material that some key has."""
        return self.key_index.materials

    @property
    def secrets(self) -> Set[str]:
        """The vault's names of all secrets that something has: access keys, MFA devices and passwords."""
        return {*self.access_keys, *self.services, *self.directory.secrets()}

    @property
    def destroyed(self) -> OrderedDict[str, int]:
        """The vault's names of recently destroyed material, with the time."""
        return self.key_index.destroyed

    @property
    def removed(self) -> Sequence[str]:
        """The vault's names of the material that the last record destroyed."""
        return self.key_index.removed

    @property
    def aliases(self) -> Mapping[tuple[str, str], Alias]:
        """Those of the world's Region, by account and name."""
        return self.alias_index.of(self.region)

    @property
    def grants(self) -> Mapping[str, Mapping[str, Grant]]:
        """By key id, then by grant id. A key without grants has no entry."""
        return self.grant_index.by_key

    def key_ids(self, account: str) -> Sequence[str]:
        """The ids of the account's keys, in order."""
        return self.key_index.ids.of(account)

    def alias_names(self, account: str) -> Sequence[str]:
        """The names of the account's aliases, in order."""
        return self.alias_index.names.of(account)

    def aliases_of(self, key: str) -> Sequence[str]:
        """The names of the aliases of a key, in order."""
        return self.alias_index.names_of_key.of(key)

    def grantees(self, key: str) -> Mapping[str, Sequence[Grant]]:
        """The grants on a key, by the name that their grantee answers to."""
        return self.grant_index.by_grantee.get(key, {})

    def retirable_by(self, name: str) -> Mapping[str, Grant]:
        """The grants, by id, whose retiring principal answers to this name."""
        return self.grant_index.by_retiring.get(name, {})

    def is_service(self, account: str) -> bool:
        """Whether the account is a service's own."""
        return any(each.account == account for each in self.services.values())

    def own_keys(self, account: str) -> int:
        """How many keys an account manages itself. The others are managed by services: each has its alias under alias/aws/."""
        return self.key_index.ids.count(account) - self.alias_index.names.count(account, RESERVED)

    def keys_of(self, account: str, after: str, limit: int) -> Sequence[str]:
        """The next `limit` key ids of an account, in order, after the id `after` ("" for the first)."""
        return self.key_index.ids.page(account, after, limit)

    def aliases_in(self, account: str, after: str, limit: int, key: str | None = None) -> list[Alias]:
        """The next aliases of an account, or of one of its keys if given, in the order of their names."""
        index = self.alias_index
        names = index.names.page(account, after, limit) if key is None else index.names_of_key.page(key, after, limit)
        return [self.aliases[account, name] for name in names]

    def resource(self, key: Key) -> Resource:
        """The key in the evaluator's form."""
        found = self.resources.get(key.id)
        if found is None:
            found = self.resource_of_draft(key)
            if found is not key.resource:
                self.resources[key.id] = found
        return found

    def resource_of_draft(self, key: Key) -> Resource:
        """The same for a key as it would be, with the aliases and grants that it has."""
        aliases, grants = self.aliases_of(key.id), self.grantees(key.id)
        if not aliases and not grants:
            return key.resource
        context = {**key.resource.context, "kms:resourcealiases": tuple(aliases)} if aliases else key.resource.context
        return Resource(key.arn, key.account, key.resource.policy, context, grants)

    # -- what a KeyId means -----------------------------------------------------------------------------------

    def key(self, reference: str, account: str, *, aliases: bool = False) -> Key:
        """What a KeyId means to a caller of `account`: a key by id or ARN or, where `aliases`, by an alias's name or
        ARN.

        If another account's key or alias does not exist, the answer is a key that admits nobody (`keys.absent`): a
        NotFound would reveal which keys that account has.

        Raises KeyNotFound, AliasNotFound, InvalidArn (API reference: the KeyId parameter of each operation).
        """
        if reference.startswith("arn:"):
            return self._key_by_arn(reference, account, aliases)
        if reference.startswith("alias/"):
            if not aliases:
                raise KeyNotFound(f"Invalid keyId '{reference}'")
            return self._key_by_alias(account, reference)
        return self._key_by_id(account, reference)

    def _key_by_arn(self, reference: str, account: str, aliases: bool) -> Key:
        arn = parse_arn(reference)
        if arn is None or arn.service != "kms" or not ACCOUNT_ID.fullmatch(arn.account):
            raise InvalidArn(f"Invalid arn {reference}")
        if arn.partition != PARTITION:
            raise KeyNotFound(f"Invalid arn {arn.partition}")
        if arn.region != self.region:
            raise KeyNotFound(f"Invalid arn {arn.region}")
        kind, _, name = arn.resource.partition("/")
        if kind == "key" and name:
            if name not in self.keys and not WELL_FORMED.fullmatch(name):
                raise KeyNotFound(f"Invalid keyId {name}")
            return self._key_by_id(account, name) if arn.account == account else self._foreign_key(arn.account, name)
        if kind == "alias" and name:
            if not aliases:
                raise InvalidArn(f"{reference} is not a key ARN: this operation takes no alias.")
            if arn.account == account:
                return self._key_by_alias(account, arn.resource)
            alias = self.aliases.get((arn.account, arn.resource))
            return self.keys[alias.key] if alias is not None else keys.absent("", reference, arn.account)
        raise InvalidArn(f"Invalid arn {reference}")

    def _key_by_id(self, account: str, key_id: str) -> Key:
        key = self.keys.get(key_id)
        if key is None and not WELL_FORMED.fullmatch(key_id):
            raise KeyNotFound(f"Invalid keyId '{key_id}'")
        if key is None or key.account != account:
            raise KeyNotFound(f"Key '{key_arn(self.region, account, key_id)}' does not exist")
        return key

    def _foreign_key(self, account: str, key_id: str) -> Key:
        key = self.keys.get(key_id)
        if key is None or key.account != account:
            return keys.absent(key_id, key_arn(self.region, account, key_id), account)
        return key

    def _key_by_alias(self, account: str, name: str) -> Key:
        alias = self.aliases.get((account, name))
        if alias is None:
            raise AliasNotFound(f"Alias {alias_arn(self.region, account, name)} is not found.")
        return self.keys[alias.key]

    def once(self, reference: str, account: str) -> tuple[str, str]:
        """(id, account) of a key that exists or once existed: for questions about the past. Raises the same as `key`."""
        try:
            found = self.key(reference, account, aliases=True)
        except KeyNotFound:
            key_id = reference.rpartition("/")[2]
            if self.deleted.get(key_id) != account or is_elsewhere(reference, self.region):
                raise
            return key_id, account
        return found.id, found.account

    # -- the fold ---------------------------------------------------------------------------------------------

    def fold(self, position: int, record: Record) -> None:
        """Takes in the valid record at `position`."""
        self.position = position
        self.at = max(self.at, record.at)
        self.next_command = record.next_command
        self.key_index.begin(self.at)
        if record.event is not None:
            self.apply(record.event)
        if record.call is not None:
            self.recent_calls.remember(position, record, self.at)

    @singledispatchmethod
    def apply(self, event: object) -> None:
        """Applies the event: one about identities through the directory, one about a single key through the key's evolve."""
        if type(event) in IDENTITY_EVENTS:
            event_effects.take(event, self.directory, self.at, self.position)
            return
        key_id: str = getattr(event, "key")  # noqa: B009  # every event without a case of its own is a key's
        self.replace_key(keys.evolve(event, self.keys[key_id], self.at))

    def add_key(self, key: Key) -> None:
        self.key_index.add(key)

    def replace_key(self, key: Key) -> None:
        """Puts the key in the place of the one with its id."""
        self.key_index.replace(key, self.at)
        self.resources.pop(key.id, None)

    def add_alias(self, alias: Alias) -> None:
        self.alias_index.add(alias)
        self.resources.pop(alias.key, None)

    def add_grant(self, grant: Grant) -> None:
        self.grant_index.add(grant)
        self.resources.pop(grant.key, None)

    @apply.register
    def _(self, event: events.LogCreated) -> None:
        self.log, self.region = event.log, event.region

    @apply.register
    def _(self, event: LevelRaised) -> None:
        if event.level > self.level:
            self.level, self.level_version = event.level, event.version

    @apply.register
    def _(self, event: events.WriterStarted) -> None:
        self.writer = event.writer

    @apply.register
    def _(
        self,
        event: events.LogAuthenticated
        | events.LogKeyRotated
        | events.LogKeyRetired
        | events.TreeKeyRotated
        | events.CommandsSkipped
        | events.CommandsRefused
        | events.DecisionsAnchored
        | events.ClockRead
        | events.AlertMarked
        | events.GrantFound,
    ) -> None:
        """Nothing changes that a decision reads: the chain (log/authority.py) has the keys, the record the next offset."""

    @apply.register
    def _(self, event: events.ConsoleCodeRedeemed) -> None:
        self.recent_calls.redeem(event.code, event.account, self.at)

    @apply.register
    def _(self, event: events.ServiceRegistered) -> None:
        self._forget_service(event.service)
        self.services[event.access_key] = Service(event.service, event.account, event.alias)

    @apply.register
    def _(self, event: events.ServiceRemoved) -> None:
        self._forget_service(event.service)

    def _forget_service(self, name: str) -> None:
        self.directory.changes += 1
        self.services = {key: each for key, each in self.services.items() if each.name != name}

    @apply.register
    def _(self, event: events.AccountCreated) -> None:
        self.directory.changes += 1
        self.accounts[event.account] = Account(event.account, self.at, {event.access_key: ACTIVE})
        self.access_keys[event.access_key] = event.account

    @apply.register
    def _(self, event: events.AccessKeyCreated) -> None:
        self._set_root_key(event.account, event.access_key, ACTIVE)
        self.access_keys[event.access_key] = event.account

    @apply.register
    def _(self, event: events.AccessKeyDisabled) -> None:
        self._set_root_key(event.account, event.access_key, INACTIVE)
        self.directory.end_console_sessions(event.access_key, self.position, self.at)

    @apply.register
    def _(self, event: events.AccessKeyEnding) -> None:
        self.accounts[event.account] = self.accounts[event.account].ending(event.access_key, micros(event.due))

    def _set_root_key(self, account: str, access_key: str, status: str) -> None:
        self.directory.changes += 1
        self.accounts[account] = self.accounts[account].with_access_key(access_key, status)

    @apply.register
    def _(self, event: events.AccountAliasSet) -> None:
        self.accounts[event.account] = replace(self.accounts[event.account], alias=event.alias)

    @apply.register
    def _(self, event: sign_in_events.MfaCodeUsed) -> None:
        # Not one of the directory's changes: nobody's permissions are worked out again for it.
        self.directory.mfa.change(event.serial, used=event.used)

    @apply.register
    def _(self, event: sign_in_events.ConsoleSignedOut) -> None:
        self.sign_outs.end(event.access_key, event.owner, self.at)

    @apply.register
    def _(self, event: sign_in_events.PasswordPolicySet | sign_in_events.PasswordPolicyDeleted) -> None:
        of = event.policy if isinstance(event, sign_in_events.PasswordPolicySet) else None
        policy = None if of is None else PasswordPolicy(**of)  # type: ignore[arg-type]  # a bool is an int
        self.accounts[event.account] = replace(self.accounts[event.account], password_policy=policy)

    @apply.register
    def _(self, event: events.KeyCreated) -> None:
        self.add_key(keys.created(event, self.region, self.at))
        if event.alias:
            self._name_key(event.account, event.alias, event.key)

    @apply.register
    def _(self, event: events.KeyDeleted) -> None:
        for alias in event.aliases:
            self.alias_index.remove(self.alias_index.pointing(event.account, alias, event.key))
        self.grant_index.remove_all(event.key)
        self.key_index.remove(event.key, self.at)
        self.resources.pop(event.key, None)

    @apply.register
    def _(self, event: events.AliasCreated) -> None:
        self._name_key(event.account, event.alias, event.key)

    def _name_key(self, account: str, alias: str, key: str) -> None:
        arn = alias_arn(self.region, account, alias)
        self.add_alias(Alias(account, alias, arn, key, self.at, self.at))

    @apply.register
    def _(self, event: events.AliasMoved) -> None:
        old = self.alias_index.pointing(event.account, event.alias, event.previous_key)
        self.alias_index.replace(old, replace(old, key=event.key, updated=self.at))
        self.resources.pop(event.key, None)
        self.resources.pop(event.previous_key, None)

    @apply.register
    def _(self, event: events.AliasDeleted) -> None:
        self.alias_index.remove(self.alias_index.pointing(event.account, event.alias, event.key))
        self.resources.pop(event.key, None)

    @apply.register
    def _(self, event: events.GrantCreated) -> None:
        self.add_grant(granted(event, self.at, self.position))

    @apply.register
    def _(self, event: events.GrantRevoked | events.GrantRetired) -> None:
        if event.grant in self.grants.get(event.key, ()):  # a trail may not have shown its making
            self.grant_index.remove(event.key, event.grant)
            self.resources.pop(event.key, None)

    def all_keys(self) -> Iterable[Key]:
        return self.keys.values()
