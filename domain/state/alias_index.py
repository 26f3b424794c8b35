"""Every alias of a world, by its Region, its name, its account and its key. Our own log has one Region; a trail has several, and
a name there is another alias in each.

Invariants (tests/domain/test_world_indexes.py):
- `names` has the name of every alias once, under its account, however many Regions have it.
- `names_of_key` has the name of every alias once, under the id of the key that it points to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.aliases.alias import Alias
from domain.arn import region_in
from domain.state.sorted_names import SortedNames


@dataclass(slots=True)
class AliasIndex:
    by_region: dict[str, dict[tuple[str, str], Alias]] = field(default_factory=dict)
    """By Region, then by account and name."""
    names: SortedNames[str] = field(default_factory=SortedNames)
    names_of_key: SortedNames[str] = field(default_factory=SortedNames)

    def of(self, region: str) -> Mapping[tuple[str, str], Alias]:
        return self.by_region.get(region, {})

    def pointing(self, account: str, name: str, key: str) -> Alias:
        """The alias with this name that points to a key, in whichever Region it is."""
        held = (aliases.get((account, name)) for aliases in self.by_region.values())
        return next(alias for alias in held if alias is not None and alias.key == key)

    def add(self, alias: Alias) -> None:
        if not self._is_named(alias):
            self.names.add(alias.account, alias.name)
        self.by_region.setdefault(region_in(alias.arn), {})[alias.account, alias.name] = alias
        self.names_of_key.add(alias.key, alias.name)

    def replace(self, old: Alias, alias: Alias) -> None:
        """Replaces the alias by its present form. It may point to another key."""
        self.by_region[region_in(alias.arn)][alias.account, alias.name] = alias
        self.names_of_key.remove(old.key, alias.name)
        self.names_of_key.add(alias.key, alias.name)

    def remove(self, alias: Alias) -> None:
        region = region_in(alias.arn)
        del self.by_region[region][alias.account, alias.name]
        if not self.by_region[region]:  # the world that is read from a snapshot has no empty one either
            del self.by_region[region]
        if not self._is_named(alias):
            self.names.remove(alias.account, alias.name)
        self.names_of_key.remove(alias.key, alias.name)

    def _is_named(self, alias: Alias) -> bool:
        return any((alias.account, alias.name) in aliases for aliases in self.by_region.values())
