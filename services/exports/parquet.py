"""Writes decisions as Parquet, in bounded memory. A file of its own, since its library takes half a second to load."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from services.exports.flat import NUMBERS, Columns, columns_of, text_of

ROWS = 20_000
"""The most rows of a Parquet row group; only one group is in memory."""
CHARACTERS = 32 << 20
"""The most characters of its documents, and one call more. A caller can make each call's parameters 32 kB, also refused ones."""


def schema_of(columns: Columns) -> pa.Schema:
    return pa.schema(
        [
            pa.field("at", pa.timestamp("us", tz="UTC")),
            *(pa.field(name, pa.string()) for name in columns.texts),
            *(pa.field(name, pa.int64()) for name in NUMBERS),
            *(pa.field(name, pa.string()) for name in columns.documents),
        ]
    )


def write_parquet(items: Iterator[dict[str, Any]], file: BinaryIO) -> None:
    """Parquet is written from its beginning to its end, so `file` may be a pipe."""
    columns, items = columns_of(items)
    schema = schema_of(columns)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for held in _groups(items, columns):
            writer.write_table(_table(held, columns, schema))


def _groups(items: Iterator[dict[str, Any]], columns: Columns) -> Iterator[list[dict[str, Any]]]:
    """The items of each row group, with their documents as text."""
    held: list[dict[str, Any]] = []
    size = 0
    for item in items:
        texts = {name: json.dumps(value) for name in columns.documents if (value := item.get(name)) is not None}
        held.append(item | texts)
        size += sum(map(len, texts.values()))
        if len(held) == ROWS or size >= CHARACTERS:
            yield held
            held, size = [], 0
    if held:
        yield held


def _table(items: Sequence[dict[str, Any]], columns: Columns, schema: pa.Schema) -> pa.Table:
    found: dict[str, Any] = {name: [text_of(item, name) for item in items] for name in (*columns.texts, *NUMBERS)}
    found["at"] = (
        pa.array([item["at"].removesuffix("Z") for item in items])
        .cast(pa.timestamp("us"))
        .cast(schema.field("at").type)
    )
    for name in columns.documents:
        found[name] = [item.get(name) for item in items]
    return pa.table({name: found[name] for name in schema.names}, schema=schema)
