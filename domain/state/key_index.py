"""Every key of a world. Indexes find keys by account, by material, and by the id of a deleted key.

Invariants (tests/domain/test_world_indexes.py):
- `ids` names every key once, under its account.
- `materials` are the vault's names of all material that some key has; those of keys that are read later are missing.
- No id in `deleted` belongs to a key that exists.
- `destroyed` is in the order of time, and holds nothing that is older than the window.
- `removed` are names in `destroyed`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from domain.durations import HOUR_MICROS
from domain.keys.key import Key
from domain.state.sorted_names import SortedNames

DESTROYED_WINDOW = 2 * HOUR_MICROS
"""How long destroyed material is remembered: longer than the vault's sweep leaves unreferenced rows alone."""


class KeysReadLater(dict[str, Key]):
    """Keys by id, each made of what is stored of it when it is first asked for. A question about the past reads few of the
    keys of its world."""

    def __init__(self, unread: dict[str, Any], make: Callable[[Any], Key]) -> None:
        super().__init__()
        self._unread = unread
        self._make = make

    def __missing__(self, id: str) -> Key:
        self[id] = made = self._make(self._unread.pop(id))
        return made

    def __setitem__(self, id: str, key: Key) -> None:
        self._unread.pop(id, None)
        super().__setitem__(id, key)

    def __contains__(self, id: object) -> bool:
        return super().__contains__(id) or id in self._unread

    def __iter__(self) -> Iterator[str]:
        return iter([*super().__iter__(), *self._unread])

    def __len__(self) -> int:
        return super().__len__() + len(self._unread)

    def get(self, id: str, default: Any = None) -> Any:
        return self[id] if id in self else default  # noqa: SIM401  # this is `get`

    def pop(self, id: str, *default: Any) -> Any:
        if id in self._unread:
            return self._make(self._unread.pop(id))
        return super().pop(id, *default)

    def keys(self) -> Any:
        return self._read().keys()

    def values(self) -> Any:
        return self._read().values()

    def items(self) -> Any:
        return self._read().items()

    def _read(self) -> dict[str, Key]:
        """Every key, in a dictionary that has nothing unread."""
        return {id: self[id] for id in self}


@dataclass(slots=True)
class KeyIndex:
    by_id: dict[str, Key] = field(default_factory=dict)
    ids: SortedNames[str] = field(default_factory=SortedNames)
    deleted: dict[str, str] = field(default_factory=dict)
    """Deleted keys: from id to account."""
    materials: set[str] = field(default_factory=set)
    destroyed: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """The vault's names of recently destroyed material, with the time."""
    removed: tuple[str, ...] = field(default=(), compare=False)
    """The vault's names of the material that the last record destroyed. Not every such event names it: if material is imported
    again, the vault has the same bytes under a new name, and what is under the old one has to go."""

    @classmethod
    def read_later(cls, unread: dict[str, tuple[str, Any]], make: Callable[[Any], Key]) -> KeyIndex:
        """An index of keys that are made when they are asked for. `unread` holds, by id, each key's account and what `make` makes
        it of. The index does not know their material."""
        names: dict[str, list[str]] = {}
        for id in sorted(unread):
            names.setdefault(unread[id][0], []).append(id)
        return cls(KeysReadLater(unread, lambda held: make(held[1])), SortedNames(names))

    def begin(self, at: int) -> None:
        """A record of this time is taken in."""
        self.removed = ()
        while self.destroyed and next(iter(self.destroyed.values())) < at - DESTROYED_WINDOW:
            self.destroyed.popitem(last=False)

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
        self.removed = tuple(sorted(before - after))
        self.destroyed.update(dict.fromkeys(self.removed, at))


def _stored(key: Key) -> set[str]:
    return {each.stored for each in key.materials if each.stored}
