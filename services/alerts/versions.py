"""The policies that keys had before, as far as they were put while this worker follows: the history need not be waited for.

A key whose policies of before are not known is asked for in the history once, and followed from then on.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from domain.alerts.change import Version
from domain.keys.key import Key
from services.alerts import facts

KEYS = 10_000
MOST = 40
"""Versions of one key that are held, the newest."""


class Versions:
    """Goes on with a fold: `replaced` is told of every policy that is. `source` are the projections, of our own log while
    it goes on where they are waited for (`live`)."""

    def __init__(self, source: Any, *, live: bool) -> None:
        self._source, self._live = source, live
        self._held: OrderedDict[str, list[Version]] = OrderedDict()

    async def before(self, key: Key, position: int) -> tuple[Version, ...]:
        """The policies before the one in force, at the record at `position`. Raises INTERRUPTED."""
        if key.policy_version == 1:
            return ()
        held = self._held.get(key.id)
        if held is None or held[-1].version != key.policy_version - 1:
            if self._live:
                await facts.history_written(self._source, position - 1)
            held = sorted(await facts.versions(self._source, key, position), key=lambda each: each.version)[-MOST:]
            self._keep(key.id, held)
        else:
            self._held.move_to_end(key.id)
        return tuple(held)

    def replaced(self, key: Key, at: int) -> None:
        """The key's policy gave way to another at this time."""
        held = [] if key.policy_version == 1 else self._held.get(key.id)
        if held is not None and (not held or held[-1].version == key.policy_version - 1):
            version = Version(key.policy_version, key.policy_text, dict(key.principals), at)
            self._keep(key.id, [*held, version][-MOST:])

    def _keep(self, key: str, held: list[Version]) -> None:
        if held:
            self._held[key] = held
            self._held.move_to_end(key)
            if len(self._held) > KEYS:
                self._held.popitem(last=False)
