"""What the rules on an event read of the past, while somebody reads along the log: live, over history, or for a draft.

Policies that keys had before are remembered when they are replaced, so the history need not be waited for. If the earlier
policies of a key are not known, the history is asked once, and they are followed from then on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from domain.alerts.change import NO_FACTS, Facts, Version
from domain.arn import alias_arn, region_in
from domain.keys.key import Key
from domain.log.events import AliasCreated, DeletionScheduled, GrantCreated, KeyDisabled, PolicyReplaced
from domain.state.principals import own_principals
from services.alert_worker.facts import PastFacts

KEYS = 10_000
MOST = 40
"""Versions of one key that are held: the newest ones."""


class Past:
    """`facts` are asked for what is not held."""

    def __init__(self, facts: PastFacts) -> None:
        self._facts = facts
        self._held: OrderedDict[str, list[Version]] = OrderedDict()

    async def of(self, event: object, keys: Mapping[str, Key], position: int, at: int) -> Facts:
        """The facts before the event at a position; `keys` as they were then. Raises INTERRUPTED, Unavailable."""
        key = keys.get(getattr(event, "key", ""))
        if key is None:
            return NO_FACTS
        match event:
            case PolicyReplaced() | GrantCreated():
                return Facts(versions=await self._versions(key, position))
            case AliasCreated():
                alias = alias_arn(region_in(key.arn), event.account, event.alias)
                return Facts(former_key=await self._facts.former_key(alias, position))
            case DeletionScheduled() | KeyDisabled():
                return Facts(used=await self._facts.used(key, at))
        return NO_FACTS

    async def _versions(self, key: Key, position: int) -> tuple[Version, ...]:
        """The key's policies before the one in force, at the record at `position`."""
        if key.policy_version == 1:
            return ()
        held = self._held.get(key.id)
        if held is None or held[-1].version != key.policy_version - 1:
            held = (await self._facts.versions(key, position))[-MOST:]
            self._keep(key.id, held)
        else:
            self._held.move_to_end(key.id)
        return tuple(held)

    def replaced(self, key: Key, at: int) -> None:
        """The key's policy was replaced at this time."""
        held = [] if key.policy_version == 1 else self._held.get(key.id)
        if held is not None and (not held or held[-1].version == key.policy_version - 1):
            version = Version(key.policy_version, key.policy_text, own_principals(key.principals, key.account), at)
            self._keep(key.id, [*held, version][-MOST:])

    def _keep(self, key: str, held: list[Version]) -> None:
        if held:
            self._held[key] = held
            self._held.move_to_end(key)
            if len(self._held) > KEYS:
                self._held.popitem(last=False)
