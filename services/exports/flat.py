"""Decisions as a table of columns, and that table as CSV (RFC 4180). services/exports/parquet.py writes it as Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from services.exports.cells import csv_cell

TEXTS = (
    "call_id", "account", "principal", "access_key", "operation", "effect", "key_id", "key_aliases", "kind", "decided_by",
    "policy_version", "sid", "rule", "error", "message", "source", "agent", "via", "event_type", "summary",
)  # fmt: skip
LISTS = frozenset({"key_aliases"})
"""Columns that may hold several texts, separated by spaces."""
NUMBERS = ("position", "seen", "statement")
DOCUMENTS = ("encryption_context", "parameters", "reasons", "resources", "event", "names", "materials")
"""Columns of text that hold JSON."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of an export: `texts` and `documents`, and the numbers that every export has."""

    texts: tuple[str, ...] = TEXTS
    documents: tuple[str, ...] = DOCUMENTS

    @property
    def names(self) -> tuple[str, ...]:
        return ("at", *self.texts, *NUMBERS, *self.documents)


OWN = Columns()
OF_A_TRAIL = Columns((*TEXTS, "outcome"), (*DOCUMENTS, "missing"))
"""A trail adds two columns: whether its records explain the call, and what is missing for an explanation."""


def columns_of(items: Iterator[dict[str, Any]]) -> tuple[Columns, Iterator[dict[str, Any]]]:
    """The columns of these items, judged by the first item."""
    first = list(islice(items, 1))
    return OF_A_TRAIL if any("outcome" in each for each in first) else OWN, chain(first, items)


def csv_lines(items: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yields a header and a line for each item. People read this export, so text that a spreadsheet would run gets an apostrophe
    before it, and control characters become escapes."""
    columns, items = columns_of(items)
    held = io.StringIO()
    writer = csv.writer(held)
    writer.writerow(columns.names)
    for item in items:
        writer.writerow([_cell(item, name, columns) for name in columns.names])
        yield held.getvalue()
        held.seek(0)
        held.truncate()
    if held.tell():
        yield held.getvalue()


def text_of(item: dict[str, Any], name: str) -> Any:
    value = item.get(name)
    return " ".join(value) if name in LISTS and value is not None else value


def _cell(item: dict[str, Any], name: str, columns: Columns) -> Any:
    value = text_of(item, name)
    is_document = name in columns.documents and value is not None
    return csv_cell(json.dumps(value, separators=(",", ":")) if is_document else value)
