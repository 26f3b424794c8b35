"""What a projection makes of a batch of entries: changes of its tables. `services/projector/change_writer.py` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TableRow = tuple[Any, ...]
ChangedColumns = dict[str, Any]
"""Columns of a row that change; those left out stay."""


@dataclass(frozen=True, slots=True)
class Appends:
    """Rows for a table that rows are only added to: COPY takes them."""

    table: str
    columns: tuple[str, ...]
    rows: list[TableRow]


@dataclass(frozen=True, slots=True)
class Upserts:
    """Rows for a table with one row for each key: the last value of each column wins."""

    table: str
    key: str
    columns: tuple[str, ...]
    rows: list[ChangedColumns]


@dataclass(frozen=True, slots=True)
class Closes:
    """Ends for a table of versions: the version of (kind, id) that still holds ends at a position and time."""

    table: str
    rows: list[TableRow]
    """(kind, id, position, at)."""


@dataclass(frozen=True, slots=True)
class Interns:
    """Rows for a table of what many rows share, each under a name that follows from it: a row that is there stays."""

    table: str
    columns: tuple[str, ...]
    """The first is the name."""
    rows: list[TableRow]


TableChange = Appends | Closes | Interns | Upserts


def merged_by(key: str, rows: Iterable[ChangedColumns]) -> list[ChangedColumns]:
    """One row for each key; later columns replace earlier ones."""
    result: dict[Any, ChangedColumns] = {}
    for row in rows:
        result.setdefault(row[key], {}).update(row)
    return list(result.values())
