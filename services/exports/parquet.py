"""Writes decisions as Parquet, in bounded memory. A file of its own, since its library takes half a second to load."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from services.exports.flat import NUMBERS, Columns, columns_of, text_of

ROWS = 20_000
"""How many rows a Parquet row group has; only one group is in memory."""


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
        while held := list(islice(items, ROWS)):
            writer.write_table(_table(held, columns, schema))


def _table(items: Sequence[dict[str, Any]], columns: Columns, schema: pa.Schema) -> pa.Table:
    found: dict[str, Any] = {name: [text_of(item, name) for item in items] for name in (*columns.texts, *NUMBERS)}
    found["at"] = (
        pa.array([item["at"].removesuffix("Z") for item in items])
        .cast(pa.timestamp("us"))
        .cast(schema.field("at").type)
    )
    for name in columns.documents:
        found[name] = [None if (value := item.get(name)) is None else json.dumps(value) for item in items]
    return pa.table({name: found[name] for name in schema.names}, schema=schema)
