"""SQL of a trail's import: the records, unchanged, and those that could not be read.

Only an import reads and writes these, in the trail's schema."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

CHANGING = (
    "SELECT id, at, own_order, raw FROM records WHERE raw IS NOT NULL AND kind <> '\\x01' "
    "ORDER BY at, own_order NULLS FIRST, id"
)
"""Records that changed something, or are the first to name a caller or key, in the order of time."""
KNOWN = "SELECT id, raw FROM records WHERE kind = '\\x01' ORDER BY at, id"
"""Facts that are known from elsewhere."""


async def let_read(connection: Any, account: str) -> None:
    """Lets the account read the trail from now on. Works in the schema on the search path."""
    await connection.execute("INSERT INTO readers VALUES ($1)", account)


async def preferred(connection: Any, schema: str, ids: Sequence[str]) -> dict[str, bool]:
    """For each of `ids` that exists: whether its record says who called."""
    rows = await connection.fetch(f"SELECT id, preferred FROM {schema}.records WHERE id = ANY($1)", ids)
    return {row["id"]: row["preferred"] for row in rows}


async def aside_of(connection: Any, schema: str, ids: Sequence[bytes]) -> set[bytes]:
    """Those of `ids` that were put aside as unreadable."""
    return {row["id"] for row in await connection.fetch(f"SELECT id FROM {schema}.aside WHERE id = ANY($1)", ids)}


async def there(connection: Any, schema: str, table: str, names: Sequence[bytes]) -> set[bytes]:
    """Those of `names` that the table (`kinds` or `cases`) has."""
    return {row["id"] for row in await connection.fetch(f"SELECT id FROM {schema}.{table} WHERE id = ANY($1)", names)}


async def put_aside(connection: Any, schema: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows`: (id, source, place, reason, raw) of records that could not be read."""
    statement = f"INSERT INTO {schema}.aside (id, source, place, reason, raw) VALUES ($1, $2, $3, $4, $5)"
    await connection.executemany(f"{statement} ON CONFLICT DO NOTHING", rows)


def aside_id(source: str, place: str, raw: str) -> bytes:
    """The `id` of a row of `aside`."""
    return sha256("\n".join((source, place, raw)).encode()).digest()


async def reached(connection: Any, schema: str) -> int:
    """The offset up to which the trail's topic is in its tables."""
    found: int = await connection.fetchval(f"SELECT next FROM {schema}.topic_read")
    return found


async def reach(connection: Any, schema: str, offset: int) -> None:
    await connection.execute(f"UPDATE {schema}.topic_read SET next = $1", offset)


async def upgrade(connection: Any, schema: str, topic: str) -> None:
    """Gives the tables of 0.1.0 their present shape, in one transaction. How much of the topic they have is not known, so it is
    read once from its beginning. Rows that were made of the topic come back from it, with the places that its headers name."""
    async with connection.transaction():
        await connection.execute(f"DELETE FROM {schema}.aside WHERE source = $1", topic)
        await connection.execute(f"""
            CREATE TABLE {schema}.topic_read (next bigint NOT NULL);
            INSERT INTO {schema}.topic_read VALUES (0);
            ALTER TABLE {schema}.aside DROP CONSTRAINT aside_pkey, ADD COLUMN id bytea;
            UPDATE {schema}.aside SET id = sha256(convert_to(concat_ws(E'\\n', source, place, raw), 'UTF8'));
            ALTER TABLE {schema}.aside ADD PRIMARY KEY (id)
        """)


async def remove(connection: Any, schema: str, ids: Sequence[str]) -> None:
    await connection.execute(f"DELETE FROM {schema}.records WHERE id = ANY($1)", ids)
