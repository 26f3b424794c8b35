"""Names in order, under their owners: for lists that are read page by page.

Invariants: the names of each owner ascend without repetition; an owner without names has no entry.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)


@dataclass(slots=True)
class SortedNames(Generic[Owner]):
    by_owner: dict[Owner, list[str]] = field(default_factory=dict)

    def add(self, owner: Owner, name: str) -> None:
        insort(self.by_owner.setdefault(owner, []), name)

    def remove(self, owner: Owner, name: str) -> None:
        names = self.by_owner[owner]
        at = bisect_left(names, name)
        assert names[at] == name, "only a name that was added is removed"
        del names[at]
        if not names:
            del self.by_owner[owner]

    def of(self, owner: Owner) -> Sequence[str]:
        return self.by_owner.get(owner, [])

    def page(self, owner: Owner, after: str, limit: int) -> Sequence[str]:
        """The next `limit` names after the name `after` ("" for the first)."""
        names = self.of(owner)
        start = bisect_left(names, after + "\0") if after else 0
        return names[start : start + limit]

    def count(self, owner: Owner, prefix: str = "") -> int:
        """How many of the owner's names begin with the prefix."""
        names = self.of(owner)
        if not prefix:
            return len(names)
        return bisect_left(names, prefix + "\U0010ffff") - bisect_left(names, prefix)
