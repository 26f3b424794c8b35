"""The list of all projections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from projections.alerts import project as alerts
from projections.decisions import project as decisions
from projections.history import project as history
from projections.history.queries import restore
from projections.keys import project as keys
from projections.log.changes import TableChange
from projections.log.entry import ALERTS, DECISIONS, EVENTS, Entry
from projections.policy_versions import project as policy_versions


@dataclass(frozen=True, slots=True)
class Projection:
    """It reads `topics`. `changes` is pure: it turns entries, in their order, and the projection's state into changes of its
    tables, which have to be written in that order. A projection that folds has a state: `changes` brings it up to date, and
    `restore` reads it from the tables. `restore` is None if rows follow only from entries.

    The state may follow every topic that the projection reads. It must follow from the tables alone: whenever they are not
    at the offsets where the projector left them, it asks `restore` for the state anew. No order holds between topics, nor
    between two partitions of `decisions`, so the state must not depend on it."""

    name: str
    topics: tuple[str, ...]
    changes: Callable[[Sequence[Entry], Any], Iterable[TableChange]]
    restore: Callable[[Any], Awaitable[Any]] | None = None

    @property
    def schema(self) -> str:
        return f"p_{self.name}"

    @property
    def table(self) -> str:
        return files("projections").joinpath(self.name, "table.sql").read_text()


def _alone(
    changes: Callable[[Sequence[Entry]], Sequence[TableChange]],
) -> Callable[[Sequence[Entry], Any], Iterable[TableChange]]:
    return lambda entries, state: changes(entries)


PROJECTIONS: dict[str, Projection] = {
    each.name: each
    for each in (
        Projection("keys", (EVENTS,), _alone(keys.changes)),
        Projection("policy_versions", (EVENTS,), _alone(policy_versions.changes)),
        Projection("decisions", (EVENTS, DECISIONS), _alone(decisions.changes)),
        Projection("alerts", (EVENTS, ALERTS), _alone(alerts.changes)),
        Projection("history", (EVENTS,), history.changes, restore),
    )
}
