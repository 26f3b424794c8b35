"""Writes decisions as a table of columns: CSV (RFC 4180) and Parquet, in bounded memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
ROWS = 20_000
"""How many rows a Parquet row group has; only one group is in memory."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of an export: `texts` and `documents`, and the numbers that every export has."""

    texts: tuple[str, ...] = TEXTS
    documents: tuple[str, ...] = DOCUMENTS

    @property
    def names(self) -> tuple[str, ...]:
        return ("at", *self.texts, *NUMBERS, *self.documents)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("at", pa.timestamp("us", tz="UTC")),
                *(pa.field(name, pa.string()) for name in self.texts),
                *(pa.field(name, pa.int64()) for name in NUMBERS),
                *(pa.field(name, pa.string()) for name in self.documents),
            ]
        )


OWN = Columns()
OF_A_TRAIL = Columns((*TEXTS, "outcome"), (*DOCUMENTS, "missing"))
"""A trail adds two columns: whether its records explain the call, and what is missing for an explanation."""


def _columns(items: Iterator[dict[str, Any]]) -> tuple[Columns, Iterator[dict[str, Any]]]:
    """The columns of these items, judged by the first item."""
    first = list(islice(items, 1))
    return OF_A_TRAIL if any("outcome" in each for each in first) else OWN, chain(first, items)


def csv_lines(items: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yields a header and a line for each item. People read this export, so text that a spreadsheet would run gets an apostrophe
    before it, and control characters become escapes."""
    columns, items = _columns(items)
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


def _text(item: dict[str, Any], name: str) -> Any:
    value = item.get(name)
    return " ".join(value) if name in LISTS and value is not None else value


def _cell(item: dict[str, Any], name: str, columns: Columns) -> Any:
    value = _text(item, name)
    is_document = name in columns.documents and value is not None
    return csv_cell(json.dumps(value, separators=(",", ":")) if is_document else value)


def write_parquet(items: Iterator[dict[str, Any]], path: Path) -> None:
    columns, items = _columns(items)
    schema = columns.schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while held := list(islice(items, ROWS)):
            writer.write_table(_table(held, columns, schema))


def _table(items: Sequence[dict[str, Any]], columns: Columns, schema: pa.Schema) -> pa.Table:
    found: dict[str, Any] = {name: [_text(item, name) for item in items] for name in (*columns.texts, *NUMBERS)}
    found["at"] = (
        pa.array([item["at"].removesuffix("Z") for item in items])
        .cast(pa.timestamp("us"))
        .cast(schema.field("at").type)
    )
    for name in columns.documents:
        found[name] = [None if (value := item.get(name)) is None else json.dumps(value) for item in items]
    return pa.table({name: found[name] for name in schema.names}, schema=schema)
