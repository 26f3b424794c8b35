"""Every projection there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from projections.decisions import project as decisions
from projections.entry import DECISIONS, EVENTS, Appends, Entry, Upserts
from projections.keys import project as keys
from projections.policy_versions import project as policy_versions

Changes = Appends | Upserts


@dataclass(frozen=True, slots=True)
class Projection:
    """`changes` is pure: entries in their order to the changes of its tables. `topics` is what it reads."""

    name: str
    topics: tuple[str, ...]
    changes: Callable[[Sequence[Entry]], Sequence[Changes]]

    @property
    def schema(self) -> str:
        return f"p_{self.name}"

    @property
    def table(self) -> str:
        return files("projections").joinpath(self.name, "table.sql").read_text()


PROJECTIONS: dict[str, Projection] = {
    each.name: each
    for each in (
        Projection("keys", (EVENTS,), keys.changes),
        Projection("policy_versions", (EVENTS,), policy_versions.changes),
        Projection("decisions", (EVENTS, DECISIONS), decisions.changes),
    )
}
