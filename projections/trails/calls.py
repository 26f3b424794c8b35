"""The tables that answer questions about a trail, made from its records: `calls` in the order of time, `judged`, and a view of
both with the columns of our own decisions. This SQL runs in the schema where they are made, beside the trail's schema."""

from __future__ import annotations

MET = "trail"
"""The principal of events that add what existed before the trail began."""

# The fold's results, as tables of one transaction. CREATE TABLE AS takes no parameters, so arrays are tables of one row.
FOLDED = """
CREATE TEMP TABLE changed (id text, before bigint, last bigint, about text, event_type text, summary text, event jsonb)
    ON COMMIT DROP;
CREATE TEMP TABLE met (position bigint, at timestamptz, id text, event_type text, summary text, event jsonb) ON COMMIT DROP;
CREATE TEMP TABLE seconds (at timestamptz PRIMARY KEY, low bigint) ON COMMIT DROP;
CREATE TEMP TABLE event_times (held timestamptz[]) ON COMMIT DROP;
CREATE TEMP TABLE own_orders (held bigint[]) ON COMMIT DROP;
CREATE TEMP TABLE positions_of_own_orders (held bigint[]) ON COMMIT DROP;
"""
# Without statistics, the planner mistakes the long table for the short one.
COUNT_FOLDED = "ANALYZE pg_temp.changed; ANALYZE pg_temp.seconds; ANALYZE records; ANALYZE kinds"
# A call that changes something is at the position of its last event, and was decided before its first. Another call was decided
# at the last change up to its time, or where our own log says.
CALLS = """
CREATE TABLE calls AS
SELECT r.at, 0::smallint AS origin,
    -- of the calls of one time, an order that does not depend on the order in which they were read
    coalesce(r.own_order, hashtextextended(r.id, 0) / 4) AS record,
    c.last AS position,
    coalesce(
        c.before,
        CASE WHEN r.own_seen IS NOT NULL AND cardinality((SELECT held FROM pg_temp.own_orders)) > 0
            THEN coalesce(
                ((SELECT held FROM pg_temp.positions_of_own_orders))[
                    width_bucket(r.own_seen, (SELECT held FROM pg_temp.own_orders))
                ],
                -1
            )
        ELSE width_bucket(r.at, (SELECT held FROM pg_temp.event_times)) - 1 END
    )::bigint AS seen,
    -- where changes of the call's own second may have come after it: the position before the first of these
    CASE WHEN c.id IS NULL AND r.own_order IS NULL THEN w.low END AS low,
    r.id AS call_id, r.kind AS kind_id, k.key_id, k.principal, k.case_id, coalesce(c.about, k.about) AS about,
    c.event_type, c.summary, c.event
FROM records r JOIN kinds k ON k.id = r.kind LEFT JOIN pg_temp.changed c ON c.id = r.id
    LEFT JOIN pg_temp.seconds w ON w.at = r.at
"""
# Events that the trail itself adds (a key from before it began) have no call. They get a row for readers of events.
ADD_MET = f"""
INSERT INTO kinds (id, account, principal, access_key, operation, effect, source, agent, parameters)
VALUES ('\\x00', '{MET}', '{MET}', '', '{MET}', 'allowed', '', '', '{{}}') ON CONFLICT DO NOTHING;
INSERT INTO calls (at, origin, record, position, seen, call_id, kind_id, principal, event_type, summary, event)
SELECT at, -1, position, position, position - 1, id || '#' || position, '\\x00', '{MET}', event_type, summary, event
FROM pg_temp.met
"""
# The indexes that are used most on our own decisions. Other questions read the whole table: questions to a trail are rare.
INDEXES = """
CREATE INDEX ON calls (at, origin, record);
CREATE INDEX ON calls (key_id, at) WHERE key_id IS NOT NULL;
CREATE INDEX ON calls (position) WHERE position IS NOT NULL;
ANALYZE calls;
"""
# It gets its primary key when it is full. `low` is the same as in `calls`, but -2 instead of NULL: of two equal calls, one may be
# known to have come after a change, and the other not.
JUDGED = """
CREATE TABLE judged (case_id bytea, seen bigint, low bigint, outcome text NOT NULL, kind text, decided_by text,
    policy_version text, sid text, statement int, rule text, missing text[] NOT NULL);
CREATE VIEW decisions AS
SELECT c.at, c.origin, c.record, c.position, c.seen, c.call_id, k.account, c.principal, k.access_key, k.operation,
    k.effect, c.key_id, c.about, k.destination, CASE WHEN c.origin = 0 THEN readers.owners ELSE '{}' END AS owners,
    k.error, k.message, k.source, k.agent, k.via, k.encryption_context, c.event_type,
    coalesce(
        c.summary, CASE WHEN k.error IS NOT NULL THEN 'refused: ' || k.error ELSE k.operation || ' answered' END
    ) AS summary,
    k.parameters, c.event, c.case_id, j.outcome, j.kind, j.decided_by, j.policy_version, j.sid, j.statement, j.rule,
    j.missing
FROM calls c JOIN kinds k ON k.id = c.kind_id LEFT JOIN judged j
    ON j.case_id = c.case_id AND j.seen = c.seen AND j.low = coalesce(c.low, -2)
    CROSS JOIN (SELECT array_agg(account) AS owners FROM readers) readers;
"""
JUDGED_IS_FULL = "ALTER TABLE judged ADD PRIMARY KEY (case_id, seen, low); ANALYZE judged; ANALYZE history"
GROUPS = """
SELECT coalesce(low, -2) AS low, seen, case_id, count(*) AS calls, min(at) AS first, max(at) AS last FROM calls
WHERE case_id IS NOT NULL GROUP BY calls.low, seen, case_id ORDER BY coalesce(calls.low, seen), seen, case_id
"""
"""Calls of one case that were decided at one position, or in one second. They are judged together."""
MOVED = "CREATE TEMP TABLE moved (case_id bytea, low bigint, high bigint, seen bigint) ON COMMIT DROP"
MOVE = """
ANALYZE pg_temp.moved;
UPDATE calls c SET seen = m.seen FROM pg_temp.moved m
WHERE c.low IS NOT NULL AND c.case_id = m.case_id AND c.low = m.low AND c.seen = m.high
"""
COUNTED = """
CREATE TEMP TABLE counted ON COMMIT DROP AS
SELECT c.calls, c.first, c.last, j.outcome, j.kind, j.decided_by, j.sid, j.statement, j.missing FROM (
    SELECT case_id, seen, coalesce(low, -2) AS low, count(*) AS calls, min(at) AS first, max(at) AS last FROM calls
    WHERE origin = 0 GROUP BY 1, 2, 3
) c LEFT JOIN judged j ON j.case_id = c.case_id AND j.seen = c.seen AND j.low = c.low
"""
REPORT = """
SELECT coalesce(outcome, 'not asked') AS outcome, kind, decided_by, sid, statement, sum(calls)::bigint AS calls
FROM pg_temp.counted GROUP BY 1, 2, 3, 4, 5 ORDER BY calls DESC
"""
MISSING = """
SELECT m AS missing, sum(calls)::bigint AS calls FROM pg_temp.counted, unnest(missing) m
GROUP BY m ORDER BY calls DESC, m LIMIT 20
"""
SPAN = "SELECT coalesce(sum(calls), 0)::bigint AS calls, min(first) AS first, max(last) AS last FROM pg_temp.counted"

POSITIONS = "CREATE TABLE positions (topic text, partition int, next bigint, digest text)"
REACHED = "INSERT INTO positions VALUES ('events', 0, $1, '')"
_MADE = ("calls", "judged", "history", "texts", "moments", "policy_versions", "positions")


def cases_seen_from(kept: str) -> str:
    """A view of the trail's cases, used while its calls are judged beside it."""
    return f"CREATE VIEW cases AS SELECT * FROM {kept}.cases"


def put_in_place(beside: str, kept: str) -> str:
    """Replaces the trail's tables with the new ones by renaming."""
    return "; ".join(
        [
            f"DROP VIEW cases; DROP VIEW IF EXISTS {kept}.decisions",
            *(
                f"DROP TABLE IF EXISTS {kept}.{table}; ALTER TABLE {beside}.{table} SET SCHEMA {kept}"
                for table in _MADE
            ),
            f"ALTER VIEW {beside}.decisions SET SCHEMA {kept}; DROP SCHEMA {beside}",
        ]
    )
