"""The world: every aggregate as it is after the valid prefix of the log, in one owner's dictionaries.

`fold` is the one function that turns records into state; writer, API, snapshots and history all use it. It never
refuses: what a valid record says is true.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod

from domain.aliases.alias import RESERVED, Alias
from domain.arn import ACCOUNT_ID, PARTITION, WELL_FORMED, alias_arn, is_elsewhere, key_arn, parse_arn
from domain.authorization.question import Resource
from domain.durations import HOUR_MICROS, MINUTE_MICROS
from domain.errors import AliasNotFound, CommandExpired, CommandUnreadable, InvalidArn, KeyNotFound
from domain.grants.grant import Grant, granted
from domain.identities.account import ACTIVE, INACTIVE, Account, Service
from domain.identities.directory import Directory
from domain.keys import key as keys
from domain.keys.key import Key
from domain.keys.limits import Limits
from domain.log import events, identity_events
from domain.log.catalogue import CATALOGUE
from domain.log.record import Decision, Record

IDENTITY_EVENTS = frozenset(row.event for row in CATALOGUE.values() if row.event.__module__ == identity_events.__name__)
REPEAT_WINDOW = 10 * MINUTE_MICROS
"""For how long a client's retry is recognised."""
DESTROYED_WINDOW = 2 * HOUR_MICROS
"""For how long destroyed material is remembered: longer than the vault's sweep leaves unreferenced rows alone."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that has its answer: where its record is, when it was, and the resource that it made or changed."""

    position: int
    at: int
    resource: str
    effect: str


@dataclass(slots=True)
class World:
    """State at `position` (-1: nothing yet). Updated in place by its one owner."""

    log: str = ""
    region: str = ""
    position: int = -1
    at: int = 0
    writer: str = ""
    next_command: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    access_keys: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    aliases: dict[tuple[str, str], Alias] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    """Keys that were: id to account."""
    key_ids: dict[str, list[str]] = field(default_factory=dict)
    alias_names: dict[str, list[str]] = field(default_factory=dict)
    aliases_of: dict[str, list[str]] = field(default_factory=dict)
    materials: set[str] = field(default_factory=set)
    """The vault's names of all material that some key has."""
    destroyed: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """The vault's names of what was destroyed lately, with the time."""
    services: dict[str, Service] = field(default_factory=dict)
    """Service principals, by their access key."""
    limits: Limits = field(default_factory=Limits)
    """Of this installation; not part of the log."""
    deciding_at: int = 0
    """The time of the decision being made; set by who decides. Not part of the log."""
    directory: Directory = field(default_factory=Directory)
    grants: dict[str, dict[str, Grant]] = field(default_factory=dict)
    """By key id, then by grant id."""
    grantees: dict[str, dict[str, tuple[Grant, ...]]] = field(default_factory=dict)
    """By key id, then by the name that a caller answers to."""
    retirable: dict[str, dict[str, Grant]] = field(default_factory=dict)
    """By the name of the retiring principal, then by grant id."""
    resources: dict[str, Resource] = field(default_factory=dict)
    """Keys with aliases or grants as the evaluator sees them; filled as they are asked."""
    answered: OrderedDict[str, Answered] = field(default_factory=OrderedDict)
    calls: OrderedDict[str, int] = field(default_factory=OrderedDict)

    @property
    def now(self) -> int:
        """Microseconds since the epoch, never before the last record."""
        return max(self.at, self.deciding_at)

    # -- questions --------------------------------------------------------------------------------------------

    def key(self, reference: str, account: str, *, aliases: bool = False) -> Key:
        """The key that a KeyId means to a caller of `account`: id or ARN, and alias name or ARN where allowed.

        A key or alias of another account that is not there is a key that admits nobody (`keys.absent`): a NotFound would
        tell which keys that account has.

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

    def is_service(self, account: str) -> bool:
        """Whether the account is a service's own."""
        return any(each.account == account for each in self.services.values())

    def once(self, reference: str, account: str) -> tuple[str, str]:
        """(id, account) of a key that is there, or was: for questions about what happened. Raises as `key` does."""
        try:
            found = self.key(reference, account, aliases=True)
        except KeyNotFound:
            key_id = reference.rpartition("/")[2]
            if self.deleted.get(key_id) != account or is_elsewhere(reference, self.region):
                raise
            return key_id, account
        return found.id, found.account

    def keys_of(self, account: str, after: str, limit: int) -> list[str]:
        """The next `limit` key ids of an account, in order, after the id `after` ("" for the first)."""
        ids = self.key_ids.get(account, [])
        start = bisect_left(ids, after + "\0") if after else 0
        return ids[start : start + limit]

    def own_keys(self, account: str) -> int:
        """How many keys an account manages itself: a service's have their alias under alias/aws/, one each."""
        names = self.alias_names.get(account, [])
        reserved = bisect_left(names, RESERVED + "\U0010ffff") - bisect_left(names, RESERVED)
        return len(self.key_ids.get(account, [])) - reserved

    def aliases_in(self, account: str, after: str, limit: int, key: str | None = None) -> list[Alias]:
        """The next aliases of an account (of one of its keys, where given), in the order of their names."""
        names = self.alias_names.get(account, []) if key is None else self.aliases_of.get(key, [])
        start = bisect_left(names, after + "\0") if after else 0
        return [self.aliases[account, name] for name in names[start : start + limit]]

    def resource(self, key: Key) -> Resource:
        """The key as the evaluator sees it."""
        found = self.resources.get(key.id)
        if found is None:
            aliases, grants = self.aliases_of.get(key.id), self.grantees.get(key.id)
            if not aliases and not grants:
                return key.resource
            context = (
                {**key.resource.context, "kms:resourcealiases": tuple(aliases)} if aliases else key.resource.context
            )
            found = self.resources[key.id] = Resource(key.arn, key.account, key.resource.policy, context, grants or {})
        return found

    # -- the fold ---------------------------------------------------------------------------------------------

    def fold(self, position: int, record: Record) -> None:
        """Take in the valid record at `position`."""
        self.position = position
        self.at = max(self.at, record.at)
        self.next_command = record.next_command
        if record.event is not None:
            self.apply(record.event)
        if record.call is not None:
            self._remember(position, record)

    def _remember(self, position: int, record: Record) -> None:
        call = record.call
        assert call is not None
        self.calls[call.id] = record.at
        decision = record.decision
        if call.invocation and record.repeats is None and decision is not None and is_final(decision):
            resource = decision.resources[0] if decision.resources else ""
            self.answered[call.invocation] = Answered(position, record.at, resource, decision.effect)
        horizon = self.at - REPEAT_WINDOW
        while self.calls and next(iter(self.calls.values())) < horizon:
            self.calls.popitem(last=False)
        while self.answered and next(iter(self.answered.values())).at < horizon:
            self.answered.popitem(last=False)

    @singledispatchmethod
    def apply(self, event: object) -> None:
        """The event's effect. An identity's goes to the directory, one of one key alone through the key's evolve."""
        if type(event) in IDENTITY_EVENTS:
            self.directory.take(event, self.at, self.position)
            return
        key_id: str = getattr(event, "key")  # noqa: B009  # every event without a case of its own is a key's
        old = self.keys[key_id]
        new = self.keys[key_id] = keys.evolve(event, old, self.at)
        if new.materials is not old.materials:
            self._renew_materials(old, new)
        self.resources.pop(key_id, None)

    def _renew_materials(self, old: Key, new: Key | None) -> None:
        before = {each.stored for each in old.materials if each.stored}
        after = {each.stored for each in new.materials if each.stored} if new is not None else set()
        self.materials |= after
        self.materials -= before - after
        for name in sorted(before - after):
            self.destroyed[name] = self.at
        while self.destroyed and next(iter(self.destroyed.values())) < self.at - DESTROYED_WINDOW:
            self.destroyed.popitem(last=False)

    @apply.register
    def _(self, event: events.LogCreated) -> None:
        self.log, self.region = event.log, event.region

    @apply.register
    def _(self, event: events.WriterStarted) -> None:
        self.writer = event.writer

    @apply.register
    def _(self, event: events.CommandsSkipped) -> None:
        """The next offset stands in the record itself."""

    @apply.register
    def _(self, event: events.ClockRead) -> None:
        """Nothing changed."""

    @apply.register
    def _(
        self,
        event: events.LogAuthenticated
        | events.LogKeyRotated
        | events.LogKeyRetired
        | events.CommandsRefused
        | events.DecisionsAnchored,
    ) -> None:
        """What is authentic is the chain's to know (authority.py), and the next command's offset stands in the record."""

    @apply.register
    def _(self, event: events.AlertMarked) -> None:
        """Alerts are not of the world that decisions are made on."""

    @apply.register
    def _(self, event: events.ServiceRegistered) -> None:
        self.directory.changes += 1
        self.services = {key: each for key, each in self.services.items() if each.name != event.service}
        self.services[event.access_key] = Service(event.service, event.account, event.alias)

    @apply.register
    def _(self, event: events.ServiceRemoved) -> None:
        self.directory.changes += 1
        self.services = {key: each for key, each in self.services.items() if each.name != event.service}

    @apply.register
    def _(self, event: events.AccountCreated) -> None:
        self.directory.changes += 1
        self.accounts[event.account] = Account(event.account, self.at, {event.access_key: ACTIVE})
        self.access_keys[event.access_key] = event.account

    @apply.register
    def _(self, event: events.AccessKeyCreated) -> None:
        self.directory.changes += 1
        self.accounts[event.account] = self.accounts[event.account].with_access_key(event.access_key, ACTIVE)
        self.access_keys[event.access_key] = event.account

    @apply.register
    def _(self, event: events.AccessKeyDisabled) -> None:
        self.directory.changes += 1
        self.accounts[event.account] = self.accounts[event.account].with_access_key(event.access_key, INACTIVE)

    @apply.register
    def _(self, event: events.AccountAliasSet) -> None:
        self.accounts[event.account] = replace(self.accounts[event.account], alias=event.alias)

    @apply.register
    def _(self, event: events.KeyCreated) -> None:
        self.add_key(keys.created(event, self.region, self.at))
        if event.alias:
            self._name(event.account, event.alias, event.key)

    def add_key(self, key: Key) -> None:
        self.keys[key.id] = key
        self.materials.update(each.stored for each in key.materials if each.stored)
        insort(self.key_ids.setdefault(key.account, []), key.id)

    @apply.register
    def _(self, event: events.AliasCreated) -> None:
        self._name(event.account, event.alias, event.key)

    def _name(self, account: str, alias: str, key: str) -> None:
        arn = alias_arn(self.region, account, alias)
        self.add_alias(Alias(account, alias, arn, key, self.at, self.at))

    def add_alias(self, alias: Alias) -> None:
        self.aliases[alias.account, alias.name] = alias
        insort(self.alias_names.setdefault(alias.account, []), alias.name)
        insort(self.aliases_of.setdefault(alias.key, []), alias.name)
        self.resources.pop(alias.key, None)

    @apply.register
    def _(self, event: events.AliasMoved) -> None:
        old = self.aliases[event.account, event.alias]
        moved = Alias(event.account, event.alias, old.arn, event.key, old.created, self.at)
        self.aliases[event.account, event.alias] = moved
        _remove(self.aliases_of, event.previous_key, event.alias)
        insort(self.aliases_of.setdefault(event.key, []), event.alias)
        self.resources.pop(event.key, None)
        self.resources.pop(event.previous_key, None)

    @apply.register
    def _(self, event: events.AliasDeleted) -> None:
        self._unname(event.account, event.alias, event.key)

    def _unname(self, account: str, alias: str, key: str) -> None:
        del self.aliases[account, alias]
        _remove(self.alias_names, account, alias)
        _remove(self.aliases_of, key, alias)
        self.resources.pop(key, None)

    @apply.register
    def _(self, event: events.KeyDeleted) -> None:
        """With everything that refers to it."""
        for alias in event.aliases:
            self._unname(event.account, alias, event.key)
        for grant in event.grants:
            self._end_grant(event.key, grant)
        gone = self.keys.pop(event.key)
        self.deleted[gone.id] = gone.account
        self._renew_materials(gone, None)
        _remove(self.key_ids, gone.account, gone.id)
        for index in (self.grants, self.grantees, self.resources):
            index.pop(gone.id, None)

    @apply.register
    def _(self, event: events.GrantCreated) -> None:
        self.add_grant(granted(event, self.at, self.position))

    def add_grant(self, grant: Grant) -> None:
        self.grants.setdefault(grant.key, {})[grant.id] = grant
        by_name = self.grantees.setdefault(grant.key, {})
        by_name[grant.grantee] = (*by_name.get(grant.grantee, ()), grant)
        if grant.retiring:
            self.retirable.setdefault(grant.retiring, {})[grant.id] = grant
        self.resources.pop(grant.key, None)

    @apply.register
    def _(self, event: events.GrantFound) -> None:
        """Nothing changed."""

    @apply.register
    def _(self, event: events.GrantRevoked | events.GrantRetired) -> None:
        if event.grant in self.grants.get(event.key, ()):  # a trail may not have seen it made
            self._end_grant(event.key, event.grant)

    def _end_grant(self, key: str, grant: str) -> None:
        gone = self.grants[key].pop(grant)
        by_name = self.grantees[key]
        left = tuple(grant for grant in by_name[gone.grantee] if grant.id != gone.id)
        if left:
            by_name[gone.grantee] = left
        else:
            del by_name[gone.grantee]
        if gone.retiring:
            del self.retirable[gone.retiring][gone.id]
        self.resources.pop(key, None)

    def all_keys(self) -> Iterator[Key]:
        return iter(self.keys.values())


def is_final(decision: Decision) -> bool:
    """Whether a retry gets this answer again. A command that came too late or could not be read may be tried anew."""
    return decision.error is None or decision.error["kind"] not in (CommandExpired.kind, CommandUnreadable.kind)


def _remove(index: dict[str, list[str]], under: str, name: str) -> None:
    names = index[under]
    at = bisect_left(names, name)
    assert names[at] == name, "an alias is in the index of its account and of its key"
    del names[at]
    if not names:
        del index[under]
