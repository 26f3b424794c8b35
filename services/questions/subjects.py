"""Finds the names of what a call changed. Its event and summary contain unique ids, but readers know names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.policy.parse import UNIQUE_ID
from projections.history import queries as history
from services.questions.source import Source

SubjectRows = list[dict[str, Any]]
MOVED = "identity.moved."
NAMED_BY = ("id", "user", "group", "role")
"""Members of an event's data with the unique ids of what it changes (domain/log/identity_events.py)."""


@dataclass(frozen=True, slots=True)
class SubjectChange:
    """What a call's event, and so its summary, gives only by id: `identities`, with the position of the change; the `key` from
    which an alias was moved."""

    identities: tuple[tuple[str, int], ...] = ()
    key: str = ""


def changed(call: Mapping[str, Any]) -> SubjectChange:
    event, position = call.get("event"), call.get("position")
    if not isinstance(event, dict) or position is None:
        return SubjectChange()
    # The summary of a change of name gives the new name itself, so the old name is shown for its id.
    at = position - 1 if str(call.get("event_type")).startswith(MOVED) else position
    return SubjectChange(tuple((id, at) for id in ids_in(event)), event.get("previous_key") or "")


def ids_in(event: Mapping[str, Any]) -> list[str]:
    """The unique ids of what an event changes."""
    return [id for name in NAMED_BY if isinstance(id := event.get(name), str) and UNIQUE_ID.fullmatch(id)]


async def with_names(
    source: Source, calls: SubjectRows, with_aliases: Callable[[Source, SubjectRows], Awaitable[SubjectRows]]
) -> SubjectRows:
    """Adds to calls the aliases of their keys, and names for the ids in their summaries: the ARN that an identity or policy had
    then, the alias that a key has now."""
    of = [changed(call) for call in calls]
    asked = {pair for its in of for pair in its.identities}
    arns = await history.arns_then(source.log, asked, source.audience.account) if asked else {}
    keys: SubjectRows = [{"key_id": key} for key in sorted({its.key for its in of if its.key})]
    aliases = {row["key_id"]: row["key_aliases"] for row in await with_aliases(source, keys)}
    rows = await with_aliases(source, calls)
    for row, its in zip(rows, of, strict=True):
        row["names"] = {id: arns[id, at] for id, at in its.identities if (id, at) in arns}
        row["names"] |= {its.key: aliases[its.key][0]} if aliases.get(its.key) else {}
    return rows
