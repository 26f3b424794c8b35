"""SQL of a trail's import: the records as they were read, and those that could not be read.

An import asks and writes these in the trail's own schema. Nobody else does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

CHANGING = (
    "SELECT id, at, own_order, raw FROM records WHERE raw IS NOT NULL AND kind <> '\\x01' "
    "ORDER BY at, own_order NULLS FIRST, id"
)
"""Records that changed something or are the first to name somebody, in the order of time."""
KNOWN = "SELECT raw FROM records WHERE kind = '\\x01' ORDER BY at, id"
"""What was known from elsewhere."""


async def let_read(connection: Any, account: str) -> None:
    """The account reads the trail from now on. In the schema that is searched."""
    await connection.execute("INSERT INTO readers VALUES ($1)", account)


async def preferred(connection: Any, schema: str, ids: Sequence[str]) -> dict[str, bool]:
    """The records among `ids` that exist: whether each says who called."""
    rows = await connection.fetch(f"SELECT id, preferred FROM {schema}.records WHERE id = ANY($1)", ids)
    return {row["id"]: row["preferred"] for row in rows}


async def aside_at(connection: Any, schema: str, places: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The places, (source, place), whose record was put aside as unreadable."""
    query = f"""SELECT source, place FROM {schema}.aside
        WHERE (source, place) IN (SELECT * FROM unnest($1::text[], $2::text[]))"""
    rows = await connection.fetch(query, *map(list, zip(*places, strict=True)))
    return {(row["source"], row["place"]) for row in rows}


async def there(connection: Any, schema: str, table: str, names: Sequence[bytes]) -> set[bytes]:
    """The names that the table (`kinds` or `cases`) has."""
    return {row["id"] for row in await connection.fetch(f"SELECT id FROM {schema}.{table} WHERE id = ANY($1)", names)}


async def put_aside(connection: Any, schema: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """(source, place, reason, raw) of records that could not be read."""
    await connection.executemany(f"INSERT INTO {schema}.aside VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", rows)


async def remove(connection: Any, schema: str, ids: Sequence[str]) -> None:
    await connection.execute(f"DELETE FROM {schema}.records WHERE id = ANY($1)", ids)
