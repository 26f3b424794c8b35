"""The statements of identities' policies, compiled, for as long as the policies say the same.

Any identity, of any account, may change between two calls. So what was compiled is kept until the texts that it was made of are
others, and what several users have in common is compiled once. What is kept has a limit: it can always be compiled again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from domain.policy.compile import CompiledStatement, Permissions

MOST_WEIGHT = 200_000
"""How much is kept, in statements, of half a kilobyte to two each."""
REFERENCES = 16
"""This many references to statements take the room of one."""
Name = tuple[str, str]
"""What it is, and whose."""
Texts = tuple[object, ...]
"""Everything that statements are made of."""


@dataclass(slots=True)
class _Kept:
    """`changes`: the directory's number of changes when this was last found to be in force. `weight`: the room that it takes."""

    changes: int
    texts: Texts
    made: Permissions
    weight: int


@dataclass(slots=True)
class CompiledPolicies:
    """`changes`: the directory's number of changes so far. `texts` is asked only when that has moved."""

    most: int = MOST_WEIGHT
    _kept: dict[Name, _Kept] = field(default_factory=dict)
    _weight: int = 0

    def statements(
        self, name: Name, changes: int, texts: Callable[[], Texts], make: Callable[[], Iterable[CompiledStatement]]
    ) -> tuple[CompiledStatement, ...]:
        """Statements that `make` compiles."""
        return self._current(name, changes, texts, make, 1).statements

    def permissions(
        self, name: Name, changes: int, texts: Callable[[], Texts], make: Callable[[], Iterable[CompiledStatement]]
    ) -> Permissions:
        """Statements that `make` puts together of those above."""
        return self._current(name, changes, texts, make, REFERENCES)

    def _current(
        self,
        name: Name,
        changes: int,
        texts: Callable[[], Texts],
        make: Callable[[], Iterable[CompiledStatement]],
        of_one: int,
    ) -> Permissions:
        kept = self._kept.get(name)
        if kept is not None and kept.changes == changes:
            return kept.made
        now = texts()
        if kept is not None and kept.texts == now:
            kept.changes = changes
            return kept.made
        if kept is not None:
            self._weight -= self._kept.pop(name).weight
        made = Permissions(tuple(make()))
        self._keep(name, _Kept(changes, now, made, 1 + len(made.statements) // of_one))
        return made

    def _keep(self, name: Name, kept: _Kept) -> None:
        self._kept[name] = kept
        self._weight += kept.weight
        while self._weight > self.most and len(self._kept) > 1:
            self._weight -= self._kept.pop(next(iter(self._kept))).weight
