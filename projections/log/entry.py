"""What a projection is given: one record of `events`, `decisions` or `alerts`, with where it stood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

EVENTS = "events"
DECISIONS = "decisions"
ALERTS = "alerts"


@dataclass(slots=True)
class Entry:
    """`document` is the record as parsed from the topic; `event` its event at the newest version, None without one."""

    topic: str
    partition: int
    offset: int
    at: datetime
    region: str
    document: dict[str, Any]
    event: object | None = None


Row = tuple[Any, ...]
Partial = dict[str, Any]
"""Columns of a row that change; those left out stay."""


@dataclass(frozen=True, slots=True)
class Appends:
    """A table that rows are only added to: COPY takes them."""

    table: str
    columns: tuple[str, ...]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Upserts:
    """A table with one row a key: the last of each column wins."""

    table: str
    key: str
    columns: tuple[str, ...]
    rows: list[Partial]


def merged(key: str, partials: Iterable[Partial]) -> list[Partial]:
    """One row a key, later columns over earlier ones: what a batch comes to."""
    result: dict[Any, Partial] = {}
    for partial in partials:
        result.setdefault(partial[key], {}).update(partial)
    return list(result.values())


@dataclass(frozen=True, slots=True)
class Closes:
    """A table of versions: the one of (kind, id) that holds still ends at a position and time."""

    table: str
    rows: list[Row]
    """(kind, id, position, at)."""


@dataclass(frozen=True, slots=True)
class Interns:
    """A table of what many rows share, under a name that follows from it: a row that is there stays."""

    table: str
    columns: tuple[str, ...]
    """The first is the name."""
    rows: list[Row]
