"""A record that changed something, with the world before it and the other facts that rules read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from domain.alerts.allow import Allow
from domain.alerts.compared import Compared
from domain.authorization.audience import Audience
from domain.keys.key import Key, created
from domain.log.events import KeyCreated, PolicyReplaced
from domain.log.identity_events import InlinePolicyPut, UserAccessKeyCreated
from domain.once import once
from domain.policy import unseen
from domain.policy.default import default_key_policy
from domain.policy_analysis.fixed_keys import known_of
from domain.policy_analysis.space import Side
from domain.state.principals import own_principals
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class Version:
    """A policy that a key had. `until`: when another policy replaced it, in microseconds since the epoch."""

    version: int
    text: str
    principals: Mapping[str, str]
    until: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of the history that the world does not hold. `used`: the last use of the key in microseconds, 0 for never;
    `versions`: the key's policies before the one in force; `former_key`: the id of the key that an alias of the same name
    pointed to last, "" for a name that is new."""

    used: int = 0
    versions: Sequence[Version] = ()
    former_key: str = ""


NO_FACTS = Facts()


class Change:
    """`event` is at its newest version; `at` is in microseconds; `caller` is "" for a change that Keytrail itself made;
    `known_accounts` and `allow` are those that the settings name."""

    def __init__(
        self,
        event: Any,
        world: World,
        at: int,
        position: int,
        *,
        caller: str = "",
        account: str = "",
        operation: str = "",
        facts: Facts = NO_FACTS,
        known_accounts: Set[str] = frozenset(),
        allow: Sequence[Allow] = (),
    ) -> None:
        self.event, self.world, self.at, self.position = event, world, at, position
        self.caller, self.account, self.operation = caller, account, operation
        self.facts = facts
        self.known_accounts, self.allow = known_accounts, allow

    @property
    def who(self) -> str:
        """The caller, as the changed key's account may see it: a caller of another account appears as that account."""
        return self.told(self.account, self.caller)

    def told(self, account: str, principal: str) -> str:
        key = self.key
        return Audience(key.account if key is not None else "").who(account, principal)

    def deed(self, account: str) -> dict[str, Any]:
        """Who did what, where on the log, and between which policy versions, as `account` may see it. This goes into an
        alert's source."""
        event, key = self.event, self.key
        by = Audience(account).who(self.account, self.caller)
        done: dict[str, Any] = {"by": by, "operation": self.operation, "position": self.position}
        if isinstance(event, PolicyReplaced) and key is not None:
            done |= {"from_version": key.policy_version, "to_version": event.version}
        elif isinstance(event, KeyCreated):
            done["to_version"] = 1
        return {name: value for name, value in done.items() if value not in (None, "")}

    def alone(self) -> Change:
        """The same change on a separate world. That world never changes and holds only what the rules on key policies read."""
        world = World(region=self.world.region, of_trail=self.world.of_trail)
        world.accounts = dict(self.world.accounts)
        held = self.world.keys.get(getattr(self.event, "key", ""))
        if held is not None:
            world.add_key(held)
        return Change(
            self.event,
            world,
            self.at,
            self.position,
            caller=self.caller,
            account=self.account,
            operation=self.operation,
            facts=self.facts,
            known_accounts=self.known_accounts,
            allow=self.allow,
        )

    @once
    def key(self) -> Key | None:
        """The key that the event is about, as it was before the event; if the event creates the key, the new key."""
        if isinstance(self.event, KeyCreated):
            return created(self.event, self.world.region, self.at)
        return self.world.keys.get(getattr(self.event, "key", ""))

    @property
    def made(self) -> bool:
        """Whether the key's policy is its first: the event creates the key, or the trail never saw an earlier policy."""
        return isinstance(self.event, KeyCreated) or self._was_unseen

    @property
    def _was_unseen(self) -> bool:
        key = self.key
        if key is None or not self.world.of_trail:
            return False
        return key.policy_version == 1 and unseen.POLICY in unseen.unseen_of(key.tags)

    @property
    def assumed(self) -> bool:
        """Whether nobody made this change: it only adds what must have existed before a trail's records."""
        event = self.event
        if not self.world.of_trail:
            return False
        if isinstance(event, KeyCreated):
            return bool(unseen.unseen_of(event.tags))
        if isinstance(event, UserAccessKeyCreated):
            return self.operation != "CreateAccessKey"  # the first that the trail shows of the key is another call
        return isinstance(event, InlinePolicyPut) and event.policy == unseen.NAME

    @once
    def policy(self) -> Compared:
        """The new key policy beside the one before it. For a new key, the default policy takes the place of the one before."""
        event, key = self.event, self.key
        assert isinstance(event, KeyCreated | PolicyReplaced), "only these have a key policy"
        assert key is not None, "the key is there"
        if isinstance(event, PolicyReplaced) and not self._was_unseen:
            old = Side(key.policy_text, own_principals(key.principals, key.account), key.policy_version)
            new = Side(event.policy, own_principals(event.principals, key.account), event.version)
        else:
            old, new = (
                Side(default_key_policy(key.account)),
                Side(event.policy, own_principals(event.principals, key.account), 2),
            )
        return Compared(old, new, key.account, key.arn, known_of(key, of_trail=self.world.of_trail))

    @property
    def old_statements(self) -> list[dict[str, Any]]:
        """The statements of the policy before; none for a new key."""
        return [] if self.made or self.key is None else _statements(self.key.policy_text)

    @once
    def new_statements(self) -> list[tuple[int, dict[str, Any]]]:
        """(place, statement) of each statement that the policy before does not have in the same words."""
        event, key = self.event, self.key
        assert key is not None, "the key is there"
        before = set() if self.made else {_same(each) for each in _statements(key.policy_text)}
        return [(at, each) for at, each in enumerate(_statements(event.policy)) if _same(each) not in before]


def _same(statement: dict[str, Any]) -> str:
    return json.dumps(statement, sort_keys=True)


def _statements(text: str) -> list[dict[str, Any]]:
    found = json.loads(text)["Statement"]
    return found if isinstance(found, list) else [found]


def on_key(key: Key) -> dict[str, Any]:
    """The fields of a finding that say which key it is about."""
    return {"account": key.account, "key": key.arn, "tags": dict(key.tags)}
