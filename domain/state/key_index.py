"""Every key of a world. Indexes find keys by account, by material, and by the id of a deleted key.

Invariants (tests/domain/test_world_indexes.py):
- `ids` names every key once, under its account.
- `materials` are the vault's names of all material that some key has.
- No id in `deleted` belongs to a key that exists.
- `destroyed` is in the order of time.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from domain.durations import HOUR_MICROS
from domain.keys.key import Key
from domain.state.sorted_names import SortedNames

DESTROYED_WINDOW = 2 * HOUR_MICROS
"""How long destroyed material is remembered: longer than the vault's sweep leaves unreferenced rows alone."""


@dataclass(slots=True)
class KeyIndex:
    by_id: dict[str, Key] = field(default_factory=dict)
    ids: SortedNames[str] = field(default_factory=SortedNames)
    deleted: dict[str, str] = field(default_factory=dict)
    """Deleted keys: from id to account."""
    materials: set[str] = field(default_factory=set)
    destroyed: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """The vault's names of recently destroyed material, with the time."""

    def add(self, key: Key) -> None:
        self.by_id[key.id] = key
        self.ids.add(key.account, key.id)
        self.materials.update(_stored(key))

    def replace(self, new: Key, at: int) -> None:
        """Replaces the key by its form from `at` on. Its id and account stay the same."""
        old = self.by_id[new.id]
        self.by_id[new.id] = new
        if new.materials is not old.materials:
            self._renew_materials(_stored(old), _stored(new), at)

    def remove(self, id: str, at: int) -> None:
        gone = self.by_id.pop(id)
        self.ids.remove(gone.account, id)
        self.deleted[id] = gone.account
        self._renew_materials(_stored(gone), set(), at)

    def _renew_materials(self, before: set[str], after: set[str], at: int) -> None:
        self.materials |= after
        self.materials -= before - after
        for name in sorted(before - after):
            self.destroyed[name] = at
        while self.destroyed and next(iter(self.destroyed.values())) < at - DESTROYED_WINDOW:
            self.destroyed.popitem(last=False)


def _stored(key: Key) -> set[str]:
    return {each.stored for each in key.materials if each.stored}
