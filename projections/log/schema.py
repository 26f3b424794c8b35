"""The log that a query asks: our own, or a trail from elsewhere beside it.

Each read model of our own log has a separate schema in Postgres. A trail has one schema for all of its tables. A table that both
have has the same columns in both. So a query's text names a table by its kind (`Table`), and the log that is asked (`AskedLog`)
puts in the table's place. Before that, the text is not SQL: Postgres refuses a name in backquotes, so a query cannot reach the
wrong log by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

_QUOTE = "`"
_IN_A_TRAIL = frozenset(
    {
        "decisions.decisions",
        "decisions.cases",
        "decisions.positions",
        "history.history",
        "history.texts",
        "history.moments",
        "history.positions",
        "policy_versions.policy_versions",
        "trails.calls",
        "trails.aside",
    }
)
"""The tables of a trail: those with the same columns as our own log's, and its lists of calls and of broken records."""
_TRAILS_ALONE = "trails."


class NoSuchTable(LookupError):
    """The log that was asked does not have this table."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a read model. In a query's text, it means the table in the log that is asked."""

    projection: str
    name: str

    def __str__(self) -> str:
        return f"{_QUOTE}{self.projection}.{self.name}{_QUOTE}"


@dataclass(frozen=True, slots=True)
class Schema:
    """Where a log's tables are. `trail`: a trail's schema in Postgres; "" for our own log."""

    trail: str = ""

    def place(self, table: str) -> str:
        """Raises NoSuchTable."""
        if self.trail:
            if table not in _IN_A_TRAIL:
                raise NoSuchTable(f"a trail has no table {table}")
            return f"{self.trail}.{table.partition('.')[2]}"
        if table.startswith(_TRAILS_ALONE):
            raise NoSuchTable(f"our own log has no table {table}")
        return f"p_{table}"

    def sql(self, query: str) -> str:
        """The query with the place of every table. Raises NoSuchTable."""
        return _placed(query, self)


@lru_cache(maxsize=1_000)
def _placed(query: str, schema: Schema) -> str:
    parts = query.split(_QUOTE)
    parts[1::2] = [schema.place(table) for table in parts[1::2]]
    return "".join(parts)


OWN = Schema()


@dataclass(frozen=True, slots=True)
class AskedLog:
    """A connection or a pool, and the log that is asked through it."""

    connection: Any
    schema: Schema = field(default=OWN)

    @property
    def is_trail(self) -> bool:
        return bool(self.schema.trail)

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        found: list[Any] = await self.connection.fetch(self.schema.sql(query), *values)
        return found

    async def fetchrow(self, query: str, *values: Any) -> Any | None:
        return await self.connection.fetchrow(self.schema.sql(query), *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        return await self.connection.fetchval(self.schema.sql(query), *values)

    def cursor(self, query: str, *values: Any) -> Any:
        return self.connection.cursor(self.schema.sql(query), *values)
