"""What tables a schema has and of which shape, for the comparison of a projection with one that is filled anew.

Whoever can write to the database can also add a table or a column, or put a view in the place of a table, which says one thing to
`verify` and another to everybody else. What is no plain table of the right shape is named, and never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.adapters.postgres import Connection

# Its operators find an exact match in pg_catalog: the database's owner could define others on the search path, which Postgres
# prefers where pg_catalog's need a cast.
_SHAPES = """
SELECT relname AS name, pg_catalog.quote_ident(relname) AS quoted, relkind = 'r'::"char" AS is_table,
    relhastriggers, relhasrules, relrowsecurity, relhassubclass,
    pg_catalog.array_agg(pg_catalog.quote_ident(attname) ORDER BY attnum) AS columns,
    pg_catalog.array_agg(pg_catalog.format_type(atttypid, atttypmod) ORDER BY attnum) AS types,
    pg_catalog.array_agg(attcollation::pg_catalog.regcollation::text ORDER BY attnum) AS collations,
    pg_catalog.array_agg(attnotnull ORDER BY attnum) AS required,
    pg_catalog.array_agg(attgenerated::text ORDER BY attnum) AS generated,
    pg_catalog.array_agg(attidentity::text ORDER BY attnum) AS identities
FROM pg_catalog.pg_class
JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid AND attnum > 0::smallint AND NOT attisdropped
WHERE relkind = ANY('{r,p,v,m,f}'::"char"[]) AND relnamespace = (
    CASE WHEN $1::text = 'pg_temp'::text THEN pg_catalog.pg_my_temp_schema()
    ELSE pg_catalog.to_regnamespace($1::text)::oid END
)
GROUP BY pg_class.oid, relname, relkind, relhastriggers, relhasrules, relrowsecurity, relhassubclass
"""
NONE = "-"
ELSEWHERE = {
    "relhastriggers": "triggers decide what it contains",
    "relhasrules": "rules decide what it shows",
    "relrowsecurity": "row security decides what it shows",
    "relhassubclass": "other tables are read as parts of it",
}
"""Ways to have a table contain or show something else than its rows, by Postgres's flag for it. Keytrail uses none of them."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """`quoted` and the columns are written as SQL writes them; `columns` has what each column is. `compared`: the columns that
    follow from the topics. Numbers that Postgres assigns do not. `wrong`: why its rows are not all that there is to it."""

    quoted: str
    columns: Mapping[str, str]
    compared: str
    wrong: tuple[str, ...]


async def shapes(connection: Connection, schema: str) -> dict[str, TableShape]:
    """By name, the tables of a schema; of the connection's temporary ones for `pg_temp`."""
    found = {}
    for row in await connection.fetch(_SHAPES, schema):
        columns = {
            column: f"{type_}{' NOT NULL' if required else ''}{'' if collation == NONE else f' COLLATE {collation}'}"
            f"{' GENERATED' if generated or identity else ''}{generated}{identity}"
            for column, type_, required, collation, generated, identity in zip(
                *(row[each] for each in ("columns", "types", "required", "collations", "generated", "identities")),
                strict=True,
            )
        }
        compared = [column for column, numbered in zip(columns, row["identities"], strict=True) if not numbered]
        wrong = [] if row["is_table"] else ["it is no table, but a view or something else that looks like one"]
        wrong += [says for flag, says in ELSEWHERE.items() if row[flag]]
        found[row["name"]] = TableShape(row["quoted"], columns, ", ".join(compared), tuple(wrong))
    return found


def differing_shape(there: TableShape, right: TableShape) -> Iterator[str]:
    """What is wrong with a table, each in a sentence."""
    yield from (*there.wrong, *right.wrong)
    for column, sort in right.columns.items():
        if column not in there.columns:
            yield f"the column {column} is missing"
        elif there.columns[column] != sort:
            yield f"the column {column} is {there.columns[column]}, and should be {sort}"
    for column in there.columns:
        if column not in right.columns:
            yield f"the column {column} is not Keytrail's"
