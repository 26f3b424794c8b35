"""SQL of a trail's import: the records, unchanged, and those that could not be read.

Only an import reads and writes these, in the trail's schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

CHANGING = (
    "SELECT id, at, own_order, raw FROM records WHERE raw IS NOT NULL AND kind <> '\\x01' "
    "ORDER BY at, own_order NULLS FIRST, id"
)
"""Records that changed something, or are the first to name a caller or key, in the order of time."""
KNOWN = "SELECT raw FROM records WHERE kind = '\\x01' ORDER BY at, id"
"""Facts that are known from elsewhere."""


async def let_read(connection: Any, account: str) -> None:
    """Lets the account read the trail from now on. Works in the schema on the search path."""
    await connection.execute("INSERT INTO readers VALUES ($1)", account)


async def preferred(connection: Any, schema: str, ids: Sequence[str]) -> dict[str, bool]:
    """For each of `ids` that exists: whether its record says who called."""
    rows = await connection.fetch(f"SELECT id, preferred FROM {schema}.records WHERE id = ANY($1)", ids)
    return {row["id"]: row["preferred"] for row in rows}


async def aside_at(connection: Any, schema: str, places: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The places, as (source, place), whose record was put aside as unreadable."""
    query = f"""SELECT source, place FROM {schema}.aside
        WHERE (source, place) IN (SELECT * FROM unnest($1::text[], $2::text[]))"""
    rows = await connection.fetch(query, *map(list, zip(*places, strict=True)))
    return {(row["source"], row["place"]) for row in rows}


async def there(connection: Any, schema: str, table: str, names: Sequence[bytes]) -> set[bytes]:
    """Those of `names` that the table (`kinds` or `cases`) has."""
    return {row["id"] for row in await connection.fetch(f"SELECT id FROM {schema}.{table} WHERE id = ANY($1)", names)}


async def put_aside(connection: Any, schema: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows`: (source, place, reason, raw) of records that could not be read."""
    await connection.executemany(f"INSERT INTO {schema}.aside VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", rows)


async def remove(connection: Any, schema: str, ids: Sequence[str]) -> None:
    await connection.execute(f"DELETE FROM {schema}.records WHERE id = ANY($1)", ids)
