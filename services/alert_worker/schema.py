"""The tables of the schema `alerting`: what they hold, which columns a row's MAC covers, and a check that nobody has altered
them."""

from __future__ import annotations

from services.adapters.postgres import Connection
from services.alert_worker.books import RowsChanged

TABLES = """
CREATE SCHEMA alerting;
-- Which log, and which era of it (books.py), are all these tables about? One row.
CREATE TABLE alerting.origin (log text NOT NULL, era text NOT NULL, mac text NOT NULL);
-- How far is each partition judged? `next` is the offset of the next record to judge, and `digest` the digest of the record
-- before it. `skew` is set for events alone: the broker's clock minus the time of a record, in microseconds, for the last
-- record whose time was not raised to that of the record before it. `total` is a hidden sum of the rows below that this
-- partition's records added, minus those that they removed.
CREATE TABLE alerting.positions (
    topic text COLLATE "C", partition int, next bigint NOT NULL, digest text NOT NULL, skew bigint, total text NOT NULL,
    mac text NOT NULL, PRIMARY KEY (topic, partition)
);
-- How many calls has a rule counted for a subject in a window? `start` is in seconds since the epoch.
CREATE TABLE alerting.windows (
    rule text COLLATE "C", subject text COLLATE "C", start bigint, count bigint NOT NULL, mac text NOT NULL,
    PRIMARY KEY (rule, subject, start)
);
CREATE INDEX windows_start ON alerting.windows (start);
-- Which different items (a rule counts keys, for instance) has a rule seen for a subject in a window?
CREATE TABLE alerting.items (
    rule text COLLATE "C", subject text COLLATE "C", start bigint, item text COLLATE "C", mac text NOT NULL,
    PRIMARY KEY (rule, subject, start, item)
);
CREATE INDEX items_start ON alerting.items (start);
-- Which principal has used which key?
CREATE TABLE alerting.pairs (
    principal text COLLATE "C", key text COLLATE "C", mac text NOT NULL, PRIMARY KEY (principal, key)
);
-- Which changes of key policies still have to be judged to the end? `document` holds what the rules read of a change
-- (domain/alerts/change_document.py).
CREATE TABLE alerting.unjudged (
    position bigint PRIMARY KEY, account text NOT NULL, document text NOT NULL, mac text NOT NULL
);
"""
WINDOWS, ITEMS, PAIRS, UNJUDGED = "windows", "items", "pairs", "unjudged"
ROWS = {
    WINDOWS: ("rule", "subject", "start", "count"),
    ITEMS: ("rule", "subject", "start", "item"),
    PAIRS: ("principal", "key"),
    UNJUDGED: ("position", "account", "document"),
}
"""The columns that a row's MAC covers, for each table whose rows `positions.total` sums up."""
KEY_COLUMNS = {WINDOWS: 3, ITEMS: 4, PAIRS: 2, UNJUDGED: 1}
"""How many of these columns, from the first on, identify a row: the primary key."""
_ALTERED_TABLE = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('alerting') AND relkind <> 'i' AND (
    relkind <> 'r' OR relhasrules OR relhastriggers OR relhassubclass OR relispartition OR relrowsecurity
    OR relname <> ALL($1::text[])
) LIMIT 1
"""


async def require_unaltered(connection: Connection) -> None:
    """Raises RowsChanged if a table has rules, triggers, child tables or row security: with these, Postgres could return
    other rows than those that Keytrail wrote."""
    name = await connection.fetchval(_ALTERED_TABLE, ["origin", "positions", *ROWS])
    if name is not None:
        raise RowsChanged(f"alerting.{name} is not as Keytrail made it")
