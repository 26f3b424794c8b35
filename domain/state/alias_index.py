"""Every alias of a world, by its name, its account and its key.

Invariants (tests/domain/test_world_indexes.py):
- `names` has the name of every alias once, under its account.
- `names_of_key` has the name of every alias once, under the id of the key that it points to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.aliases.alias import Alias
from domain.state.sorted_names import SortedNames


@dataclass(slots=True)
class AliasIndex:
    by_name: dict[tuple[str, str], Alias] = field(default_factory=dict)
    """By account and name."""
    names: SortedNames[str] = field(default_factory=SortedNames)
    names_of_key: SortedNames[str] = field(default_factory=SortedNames)

    def add(self, alias: Alias) -> None:
        self.by_name[alias.account, alias.name] = alias
        self.names.add(alias.account, alias.name)
        self.names_of_key.add(alias.key, alias.name)

    def replace(self, alias: Alias) -> None:
        """Replaces the alias by its present form. It may point to another key."""
        old = self.by_name[alias.account, alias.name]
        self.by_name[alias.account, alias.name] = alias
        self.names_of_key.remove(old.key, alias.name)
        self.names_of_key.add(alias.key, alias.name)

    def remove(self, account: str, name: str) -> None:
        gone = self.by_name.pop((account, name))
        self.names.remove(account, name)
        self.names_of_key.remove(gone.key, name)
