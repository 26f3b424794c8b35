"""Every grant of a world: by its key and id, by the name of its grantee, by the name of its retiring principal, and by what makes
CreateGrant take two grants for the same.

Invariants (tests/domain/test_world_indexes.py):
- `by_grantee` has every grant of a key once, in the order in which the grants were made.
- `by_retiring` has every grant that names a retiring principal once, under that name.
- No dictionary or list in them is empty.

A key may have tens of thousands of grants, all to one grantee: nothing here but `remove_all` walks over the grants of a key.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from domain.authorization.question import made
from domain.grants.grant import Alike, Grant, alike

MOST_NAMED = 10_000
"""A record that named more grants could be longer than Kafka takes."""


@dataclass(slots=True)
class GrantIndex:
    by_key: dict[str, dict[str, Grant]] = field(default_factory=dict)
    """By key id, then by grant id."""
    by_grantee: dict[str, dict[str, list[Grant]]] = field(default_factory=dict)
    """By key id, then by the name that a caller answers to."""
    by_retiring: dict[str, dict[str, Grant]] = field(default_factory=dict)
    """By the name that a caller answers to, then by grant id."""
    _named: dict[str, dict[Alike, dict[str, Grant]]] = field(default_factory=dict)
    """Grants that have a name: by key id, then by what CreateGrant compares, then by grant id."""

    def add(self, grant: Grant) -> None:
        self.by_key.setdefault(grant.key, {})[grant.id] = grant
        insort(self.by_grantee.setdefault(grant.key, {}).setdefault(grant.grantee, []), grant, key=made)
        if grant.retiring:
            self.by_retiring.setdefault(grant.retiring, {})[grant.id] = grant
        if grant.name:
            self._named.setdefault(grant.key, {}).setdefault(alike(grant), {})[grant.id] = grant

    def same(self, grant: Grant) -> Grant | None:
        """The earliest grant of the key that has the name of `grant` and everything else that a caller gives."""
        return next(iter(self._named.get(grant.key, {}).get(alike(grant), {}).values()), None)

    def named_when_deleted(self, key: str) -> list[str]:
        """The ids of the key's grants that the record of its deletion names."""
        held = self.by_key.get(key, {})
        return list(held) if len(held) <= MOST_NAMED else []

    def remove(self, key: str, id: str) -> None:
        held, by_name = self.by_key[key], self.by_grantee[key]
        gone = held.pop(id)
        of_grantee = by_name[gone.grantee]
        del of_grantee[bisect_left(of_grantee, made(gone), key=made)]
        if not of_grantee:
            del by_name[gone.grantee]
        if gone.name:
            self._unname(gone)
        if not held:
            del self.by_key[key], self.by_grantee[key]
        if gone.retiring:
            self._not_retirable(gone)

    def remove_all(self, key: str) -> None:
        self.by_grantee.pop(key, None)
        self._named.pop(key, None)
        for gone in self.by_key.pop(key, {}).values():
            if gone.retiring:
                self._not_retirable(gone)

    def _unname(self, gone: Grant) -> None:
        named, what = self._named[gone.key], alike(gone)
        del named[what][gone.id]
        if not named[what]:
            del named[what]
        if not named:
            del self._named[gone.key]

    def _not_retirable(self, gone: Grant) -> None:
        retirable = self.by_retiring[gone.retiring]
        del retirable[gone.id]
        if not retirable:
            del self.by_retiring[gone.retiring]
