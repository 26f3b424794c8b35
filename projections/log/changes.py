"""What a projection makes of a batch of entries: changes of its tables. `services/projector/change_writer.py` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TableRow = tuple[Any, ...]
ChangedColumns = dict[str, Any]
"""The columns of a row that change; the others keep their values."""


@dataclass(frozen=True, slots=True)
class Appends:
    """Rows for a table to which rows are only added, with COPY."""

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
    """Ends for a table of versions: the present version of (kind, id) ends at a position and time."""

    table: str
    rows: list[TableRow]
    """(kind, id, position, at)."""


@dataclass(frozen=True, slots=True)
class InsertsOnce:
    """Rows for a table whose rows stay as they were first written: data that many rows share, each with a name derived from its
    content, or what came first of each kind."""

    table: str
    columns: tuple[str, ...]
    """The first column is the name."""
    rows: list[TableRow]


TableChange = Appends | Closes | InsertsOnce | Upserts


def merged_by(key: str, rows: Iterable[ChangedColumns]) -> list[ChangedColumns]:
    """One row for each key; later columns replace earlier ones."""
    result: dict[Any, ChangedColumns] = {}
    for row in rows:
        result.setdefault(row[key], {}).update(row)
    return list(result.values())
