"""What tables a schema has and of which shape, for the comparison of a projection with one that is filled anew.

Whoever can write to the database can also add a table or a column, or put a view in the place of a table. Then rows cannot be
compared, and the difference in shape is what there is to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.adapters.postgres import Connection

# The flags say that triggers, rules, row security or tables that inherit decide what a reader of the table sees.
_SHAPES = """
SELECT relname AS name, pg_catalog.quote_ident(relname) AS quoted,
    relkind::text || relhastriggers || relhasrules || relrowsecurity || relhassubclass AS sort,
    pg_catalog.array_agg(pg_catalog.quote_ident(attname) ORDER BY attnum) AS columns,
    pg_catalog.array_agg(pg_catalog.format_type(atttypid, atttypmod) ORDER BY attnum) AS types,
    pg_catalog.array_agg(attidentity <> '' ORDER BY attnum) AS numbered
FROM pg_catalog.pg_class JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE relkind = ANY('{r,p,v,m,f}') AND relnamespace =
    CASE WHEN $1 = 'pg_temp' THEN pg_catalog.pg_my_temp_schema() ELSE pg_catalog.to_regnamespace($1)::oid END
GROUP BY pg_class.oid, relname, relkind, relhastriggers, relhasrules, relrowsecurity, relhassubclass
"""


@dataclass(frozen=True, slots=True)
class TableShape:
    """`quoted` and the columns are written as SQL writes them; `columns` has each column's type. `compared`: the columns that
    follow from the topics. Numbers that Postgres assigns do not. `sort`: whether it is a table, and what decides beside its
    rows."""

    quoted: str
    sort: str
    columns: Mapping[str, str]
    compared: str


async def shapes(connection: Connection, schema: str) -> dict[str, TableShape]:
    """By name, the tables of a schema; of the connection's temporary ones for `pg_temp`."""
    found = {}
    for row in await connection.fetch(_SHAPES, schema):
        columns = dict(zip(row["columns"], row["types"], strict=True))
        compared = [each for each, numbered in zip(columns, row["numbered"], strict=True) if not numbered]
        found[row["name"]] = TableShape(row["quoted"], row["sort"], columns, ", ".join(compared))
    return found


def differing_shape(there: TableShape, right: TableShape) -> Iterator[str]:
    """What is wrong with a table, each in a sentence."""
    if there.sort != right.sort:
        yield "it is no plain table: a view, a trigger, a rule or row security decides what it shows"
    for column, type_ in right.columns.items():
        if column not in there.columns:
            yield f"the column {column} is missing"
        elif there.columns[column] != type_:
            yield f"the column {column} is of type {there.columns[column]}, and should be {type_}"
    for column in there.columns:
        if column not in right.columns:
            yield f"the column {column} is not Keytrail's"
