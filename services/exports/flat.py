"""Decisions as a table of columns: CSV (RFC 4180) and Parquet, in bounded memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice
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
"""Texts of which there may be several: names, with a space between them."""
NUMBERS = ("position", "seen", "statement")
DOCUMENTS = ("encryption_context", "parameters", "reasons", "resources", "event", "names", "materials")
"""As JSON, in a column of text."""
COLUMNS = ("at", *TEXTS, *NUMBERS, *DOCUMENTS)
ROWS = 20_000
"""Rows of a Parquet row group, all that is held."""


def csv_lines(items: Iterator[dict[str, Any]]) -> Iterator[str]:
    """A header, and a line an item. A text that a spreadsheet would run gets an apostrophe before it, and
    what would steer a terminal stands as its escape: this export is read by people."""
    held = io.StringIO()
    writer = csv.writer(held)
    writer.writerow(COLUMNS)
    for item in items:
        writer.writerow([_cell(item, name) for name in COLUMNS])
        yield held.getvalue()
        held.seek(0)
        held.truncate()
    if held.tell():
        yield held.getvalue()


def _text(item: dict[str, Any], name: str) -> Any:
    value = item.get(name)
    return " ".join(value) if name in LISTS and value is not None else value


def _cell(item: dict[str, Any], name: str) -> Any:
    value = _text(item, name)
    return csv_cell(json.dumps(value, separators=(",", ":")) if name in DOCUMENTS and value is not None else value)


SCHEMA = pa.schema(
    [
        pa.field("at", pa.timestamp("us", tz="UTC")),
        *(pa.field(name, pa.string()) for name in TEXTS),
        *(pa.field(name, pa.int64()) for name in NUMBERS),
        *(pa.field(name, pa.string()) for name in DOCUMENTS),
    ]
)


def write_parquet(items: Iterator[dict[str, Any]], path: Path) -> None:
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while held := list(islice(items, ROWS)):
            writer.write_table(_table(held))


def _table(items: Sequence[dict[str, Any]]) -> pa.Table:
    columns: dict[str, Any] = {name: [_text(item, name) for item in items] for name in (*TEXTS, *NUMBERS)}
    columns["at"] = (
        pa.array([item["at"].removesuffix("Z") for item in items])
        .cast(pa.timestamp("us"))
        .cast(SCHEMA.field("at").type)
    )
    for name in DOCUMENTS:
        columns[name] = [None if (value := item.get(name)) is None else json.dumps(value) for item in items]
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
