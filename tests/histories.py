"""Random histories: a generator chooses events that can happen one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from domain.log import events, identity_events
from domain.log.codec import rfc3339
from domain.log.record import Record
from domain.policy.default import default_key_policy
from domain.state.world import World
from projections.log.entry import EVENTS, Entry
from tests.given import ACCOUNT, OTHER, REGION, a_key
from tests.logs import NOW

TEXTS = [
    default_key_policy(ACCOUNT),
    json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}),
]  # fmt: skip
IDENTITY_TEXT = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]})  # fmt: skip
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]})  # fmt: skip

Made = tuple[events.LogCreated, events.AccountCreated, events.AccountCreated]


class History:
    """`world` is the fold of `entries`; `step` adds one more of what `steps` makes."""

    @property
    def steps(self) -> list[Callable[[History], object | None]]:
        return STEPS

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.world = World()
        self.entries: list[Entry] = []
        self.at = NOW
        self._count = 0
        for event in (
            events.LogCreated("the-log", REGION),
            events.AccountCreated(ACCOUNT, "AKIAONE"),
            events.AccountCreated(OTHER, "AKIATWO"),
        ):
            self._happen(event)

    def next_position(self) -> int:
        return len(self.entries)

    def _happen(self, event: object | None) -> None:
        position = self.next_position()
        self.at += self.chance.choice((0, 0, 1, 1_000_000))  # records of the same microsecond are still in order
        self.world.fold(position, Record("", position - 1, self.at, "w", 0, None, None, event))
        moment = rfc3339(self.at)
        document: dict[str, Any] = {"at": moment, "seen": position - 1, "call": None, "decision": None}
        self.entries.append(
            Entry(EVENTS, 0, position, datetime.fromisoformat(moment).astimezone(UTC), REGION, document, event)
        )

    def step(self) -> None:
        """Something that can happen now, or sometimes a record without an event."""
        while True:
            event = self.chance.choice(self.steps)(self)
            if event is not None or self.chance.random() < 0.05:
                self._happen(event)
                return

    def name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def one(self, found: Any) -> Any:
        found = sorted(found)
        return self.chance.choice(found) if found else None


def _key(history: History) -> object:
    history._count += 1
    return a_key(history._count, history.chance.choice((ACCOUNT, OTHER)))


def _with_key(make: Callable[[History, str], object | None]) -> Callable[[History], object | None]:
    def step(history: History) -> object | None:
        key = history.one(history.world.keys)
        return None if key is None else make(history, key)

    return step


def _replaced(history: History, key: str) -> object:
    return events.PolicyReplaced(key, history.world.keys[key].policy_version + 1, history.chance.choice(TEXTS), False, False, {})  # fmt: skip


def _tagged(history: History, key: str) -> object:
    tags = {"team": history.chance.choice("xy")}
    return events.KeyTagged(key, tags, {**history.world.keys[key].tags, **tags})


def _deleted(history: History, key: str) -> object | None:
    if history.chance.random() < 0.7:
        return None
    held = history.world
    aliases, grants = held.aliases_of(key), sorted(held.grants.get(key, {}))
    named = history.chance.choice((grants, []))  # a key may have more grants than its deletion names
    return events.KeyDeleted(key, held.keys[key].account, list(aliases), named, [])


def _alias(history: History, key: str) -> object:
    name = history.chance.choice(["alias/a", "alias/b", "alias/c"])
    account = history.world.keys[key].account
    held = history.world.aliases.get((account, name))
    if held is None:
        return events.AliasCreated(account, name, key)
    if history.chance.random() < 0.5:
        return events.AliasDeleted(account, name, held.key)
    return events.AliasMoved(account, name, key, held.key)


def _grant(history: History, key: str) -> object:
    held = sorted(history.world.grants.get(key, {}))
    if held and history.chance.random() < 0.5:
        return history.chance.choice((events.GrantRevoked, events.GrantRetired))(key, history.chance.choice(held))
    who = history.one(history.world.directory.identities) or f"arn:aws:iam::{OTHER}:user/x"
    return events.GrantCreated(key, history.name("grant"), "", who, who, "", "", ["Decrypt"], {}, ACCOUNT, "root", "")


def _someone(history: History) -> object:
    unique, name = history.name("AIDA"), history.chance.choice(["ann", "bob", "cy"])
    if history.world.directory.find("user", ACCOUNT, name) is not None:
        return identity_events.RoleCreated(ACCOUNT, f"AROA{unique}", f"role{unique}", "/", TRUST, {}, "", 3600, {}, "")
    return identity_events.UserCreated(ACCOUNT, unique, name, "/", {}, "")


def _changed(history: History) -> object | None:
    unique = history.one(history.world.directory.identities)
    if unique is None:
        return None
    held = history.world.directory.identities[unique]
    inline = identity_events.InlinePolicyPut(ACCOUNT, held.kind, unique, history.chance.choice("pq"), IDENTITY_TEXT)
    choices: list[object] = [inline, identity_events.IdentityTagged(ACCOUNT, held.kind, unique, {"team": history.chance.choice("xy")})]  # fmt: skip
    choices += [identity_events.InlinePolicyDeleted(ACCOUNT, held.kind, unique, name) for name in held.inline]
    choices.append(identity_events.IdentityMoved(ACCOUNT, held.kind, unique, history.name("moved"), "/p/"))
    if not held.inline and not history.world.directory.members.get(unique):
        choices.append(identity_events.IdentityDeleted(ACCOUNT, held.kind, unique, held.name))
    return history.chance.choice(choices)


STEPS: list[Callable[[History], object | None]] = [
    _key,
    _with_key(lambda history, key: events.KeyDisabled(key)),
    _with_key(_tagged),
    _with_key(_replaced),
    _with_key(_replaced),
    _with_key(_deleted),
    _with_key(_alias),
    _with_key(_grant),
    _with_key(_grant),
    _someone,
    _changed,
    _changed,
]
