"""Every grant of a world: by its key and id, by the name of its grantee, and by the name of its retiring principal.

Invariants (tests/domain/test_world_indexes.py):
- `by_grantee` has every grant of a key once, in the order in which the grants were made.
- `by_retiring` has every grant that names a retiring principal once, under that name.
- No dictionary or tuple in them is empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.grants.grant import Grant


@dataclass(slots=True)
class GrantIndex:
    by_key: dict[str, dict[str, Grant]] = field(default_factory=dict)
    """By key id, then by grant id."""
    by_grantee: dict[str, dict[str, tuple[Grant, ...]]] = field(default_factory=dict)
    """By key id, then by the name that a caller answers to."""
    by_retiring: dict[str, dict[str, Grant]] = field(default_factory=dict)
    """By the name that a caller answers to, then by grant id."""

    def add(self, grant: Grant) -> None:
        self.by_key.setdefault(grant.key, {})[grant.id] = grant
        by_name = self.by_grantee.setdefault(grant.key, {})
        by_name[grant.grantee] = (*by_name.get(grant.grantee, ()), grant)
        if grant.retiring:
            self.by_retiring.setdefault(grant.retiring, {})[grant.id] = grant

    def remove(self, key: str, id: str) -> None:
        held, by_name = self.by_key[key], self.by_grantee[key]
        gone = held.pop(id)
        left = tuple(grant for grant in by_name[gone.grantee] if grant.id != id)
        if left:
            by_name[gone.grantee] = left
        else:
            del by_name[gone.grantee]
        if not held:
            del self.by_key[key], self.by_grantee[key]
        if gone.retiring:
            retirable = self.by_retiring[gone.retiring]
            del retirable[id]
            if not retirable:
                del self.by_retiring[gone.retiring]

    def remove_all(self, key: str) -> None:
        for id in list(self.by_key.get(key, ())):
            self.remove(key, id)
