"""The tables of the schema `alerting`: what they hold, which columns a row's MAC covers, and whether the tables are still as
Keytrail made them."""

from __future__ import annotations

from services.adapters.postgres import Connection
from services.alert_worker.books import RowsChanged

TABLES = """
CREATE SCHEMA alerting;
-- Of which log is everything here, and of which era (books.py)? One row.
CREATE TABLE alerting.origin (log text NOT NULL, era text NOT NULL, mac text NOT NULL);
-- How far is each partition judged? `digest` is of the last record that was judged; `skew` (broker's clock less the record's
-- time, in microseconds, of the last record that was not held to the time of the one before) is of events. `total` is the
-- hidden sum of the rows below that the partition's records brought, less those that went.
CREATE TABLE alerting.positions (
    topic text COLLATE "C", partition int, next bigint NOT NULL, digest text NOT NULL, skew bigint, total text NOT NULL,
    mac text NOT NULL, PRIMARY KEY (topic, partition)
);
-- How much has come of a subject in a window (its begin in seconds since the epoch)?
CREATE TABLE alerting.windows (
    rule text COLLATE "C", subject text COLLATE "C", start bigint, count bigint NOT NULL, mac text NOT NULL,
    PRIMARY KEY (rule, subject, start)
);
CREATE INDEX windows_start ON alerting.windows (start);
-- Which different things have come of a subject in a window?
CREATE TABLE alerting.items (
    rule text COLLATE "C", subject text COLLATE "C", start bigint, item text COLLATE "C", mac text NOT NULL,
    PRIMARY KEY (rule, subject, start, item)
);
CREATE INDEX items_start ON alerting.items (start);
-- Which principal has used which key?
CREATE TABLE alerting.pairs (
    principal text COLLATE "C", key text COLLATE "C", mac text NOT NULL, PRIMARY KEY (principal, key)
);
-- Which changes of key policies are not judged to the end? `document` is what the rules read of each (domain/alerts/unjudged).
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
"""The tables whose rows are in the sums, and the columns that their MACs cover."""
NAMED = {WINDOWS: 3, ITEMS: 4, PAIRS: 2, UNJUDGED: 1}
"""How many of these columns, the first ones, name a row."""
_STRANGE = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('alerting') AND relkind <> 'i' AND (
    relkind <> 'r' OR relhasrules OR relhastriggers OR relhassubclass OR relispartition OR relrowsecurity
    OR relname <> ALL($1::text[])
) LIMIT 1
"""


async def look_at_tables(connection: Connection) -> None:
    """Check that nobody has given the tables rules, triggers, children or policies, which can make them return something
    other than what was written. Raises RowsChanged."""
    name = await connection.fetchval(_STRANGE, ["origin", "positions", *ROWS])
    if name is not None:
        raise RowsChanged(f"alerting.{name} is not as Keytrail made it")
