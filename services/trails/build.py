"""A trail's records to what is asked: its history, its calls in the order of time, and what explains each.

All of it is made anew of `records` after each import, so that late and out-of-order files give what one ordered import
would: changes are folded in the order of time (in an export of our own log, in the log's; those of one second in an order that
the service allows), then every call learns the position that it was decided at, then each distinct call is judged once on the
state of that position. A call of a second with changes in it is judged on each state of that second.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import asyncpg

from domain.cloudtrail.judge import EXPLAINED, OPEN, OTHER_ERROR, UNEXPLAINED
from projections.log.schema import AskedLog, Schema
from services.questions import access_between
from services.questions.replay import Replay
from services.rendering import utc
from services.trails.fold import Folded, Folding
from services.trails.judged_calls import Judging
from services.trails.memory import seldom
from services.trails.seconds import Within

BATCH = 1_000
MADE = ("calls", "judged", "history", "texts", "moments", "policy_versions", "positions")
# A changing call is at the position of its last event, and was decided before its first; others at the last change up to
# their time, or where our own log says that they were decided.
CALLS = """
CREATE TABLE calls AS
SELECT r.at, 0::smallint AS origin,
    -- of the calls of one time, an order that does not depend on the order in which they were read
    coalesce(r.own_order, hashtextextended(r.id, 0) / 4) AS record,
    c.last AS position,
    coalesce(
        c.before,
        CASE WHEN r.own_seen IS NOT NULL AND cardinality($2::bigint[]) > 0
            THEN coalesce(($3::bigint[])[width_bucket(r.own_seen, $2::bigint[])], -1)
        ELSE width_bucket(r.at, $1::timestamptz[]) - 1 END
    )::bigint AS seen,
    -- where changes of the call's own second may have come after it: the position before the first of these
    CASE WHEN c.id IS NULL AND r.own_order IS NULL THEN w.low END AS low,
    r.id AS call_id, r.kind AS kind_id, k.key_id, k.principal, k.case_id, coalesce(c.about, k.about) AS about,
    c.event_type, c.summary, c.event
FROM records r JOIN kinds k ON k.id = r.kind LEFT JOIN pg_temp.changed c ON c.id = r.id
    LEFT JOIN pg_temp.seconds w ON w.at = r.at
"""
# What the trail itself puts there (a key from before it began) has no call: a row for those who follow the events alone.
MET = """
INSERT INTO kinds (id, account, principal, access_key, operation, effect, source, agent, parameters)
VALUES ('\\x00', '{met}', '{met}', '', '{met}', 'allowed', '', '', '{}') ON CONFLICT DO NOTHING;
INSERT INTO calls (at, origin, record, position, seen, call_id, kind_id, principal, event_type, summary, event)
SELECT at, -1, position, position, position - 1, id || '#' || position, '\\x00', '{met}', event_type, summary, event
FROM pg_temp.met
""".replace("{met}", access_between.MET)
# Those of our own decisions that are asked most; the rest is found by reading through: a trail is asked now and then.
INDEXES = """
CREATE INDEX ON calls (at, origin, record);
CREATE INDEX ON calls (key_id, at) WHERE key_id IS NOT NULL;
CREATE INDEX ON calls (position) WHERE position IS NOT NULL;
"""
# Its primary key comes when it is full.
# `low` as in `calls`, -2 for none: the same call may be known to have come after a change, and not be known to.
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
GROUPS = """
SELECT coalesce(low, -2) AS low, seen, case_id, count(*) AS calls, min(at) AS first, max(at) AS last FROM calls
WHERE case_id IS NOT NULL GROUP BY calls.low, seen, case_id ORDER BY coalesce(calls.low, seen), seen
"""
MOVED = """
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
Progress = Callable[[str, int], None]


class Building:
    def __init__(self, connection: asyncpg.Connection[Any], schema: str, name: str) -> None:
        self._connection, self._kept, self._name = connection, schema, name
        self._schema = f"{schema}_beside"

    async def build(self, progress: Progress) -> dict[str, Any]:
        """In one transaction, beside what is there and put in its place at the end: who asks meanwhile is answered from
        that. The report."""
        with seldom():
            return await self._build(progress)

    async def _build(self, progress: Progress) -> dict[str, Any]:
        connection, kept, beside = self._connection, self._kept, self._schema
        async with connection.transaction():
            await connection.execute(f"DROP SCHEMA IF EXISTS {beside} CASCADE; CREATE SCHEMA {beside}")
            await connection.execute(f"SET LOCAL search_path TO {beside}, {kept}, pg_temp")
            # Sorting and joining by the hundred thousand: a small allowance would spill it all to disk.
            await connection.execute(
                "SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL default_statistics_target = 20"
            )
            for projection in ("history", "policy_versions"):
                await connection.execute(files("projections").joinpath(projection, "table.sql").read_text())
            await connection.execute("CREATE TABLE positions (topic text, partition int, next bigint, digest text)")
            folded = await Folding(connection, beside, self._name).fold(progress)
            await self._calls(folded)
            await connection.execute("INSERT INTO positions VALUES ('events', 0, $1, '')", folded.position)
            await connection.execute(JUDGED)
            await connection.execute(f"CREATE VIEW cases AS SELECT * FROM {kept}.cases")
            await self._judge(folded, progress)
            await connection.execute("ANALYZE judged; ANALYZE history")
            report = await self._report(folded)
            await connection.execute(f"DROP VIEW cases; DROP VIEW IF EXISTS {kept}.decisions")
            for table in MADE:
                await connection.execute(
                    f"DROP TABLE IF EXISTS {kept}.{table}; ALTER TABLE {beside}.{table} SET SCHEMA {kept}"
                )
            await connection.execute(f"ALTER VIEW {beside}.decisions SET SCHEMA {kept}; DROP SCHEMA {beside}")
            return report

    async def _calls(self, folded: Folded) -> None:
        connection = self._connection
        await connection.execute(
            "CREATE TEMP TABLE changed (id text, before bigint, last bigint, about text, event_type text, summary text,"
            " event jsonb) ON COMMIT DROP; CREATE TEMP TABLE met (position bigint, at timestamptz, id text, event_type text,"
            " summary text, event jsonb) ON COMMIT DROP"
        )
        await connection.copy_records_to_table("changed", schema_name="pg_temp", records=folded.changed)
        await connection.copy_records_to_table("met", schema_name="pg_temp", records=folded.met)
        await connection.execute("CREATE TEMP TABLE seconds (at timestamptz PRIMARY KEY, low bigint) ON COMMIT DROP")
        lows = [(at, positions[0]) for at, positions in folded.seconds.items()]
        await connection.copy_records_to_table("seconds", schema_name="pg_temp", records=lows)
        # Of tables that it knows nothing of, the planner takes the long one for the short one.
        await connection.execute("ANALYZE pg_temp.changed; ANALYZE pg_temp.seconds; ANALYZE records; ANALYZE kinds")
        orders = sorted(folded.orders)
        query = CALLS
        for number, values in ((1, folded.moments), (2, [order for order, _ in orders]), (3, [at for _, at in orders])):
            # CREATE TABLE AS takes no parameters: the arrays go in as a table of one row each.
            kind = "timestamptz" if number == 1 else "bigint"
            table = f"array_{number}"
            await connection.execute(f"CREATE TEMP TABLE {table} (held {kind}[]) ON COMMIT DROP")
            await connection.copy_records_to_table(table, schema_name="pg_temp", records=[(values,)])
            query = query.replace(f"${number}::{kind}[]", f"(SELECT held FROM pg_temp.{table})")
        await connection.execute(query)
        await connection.execute(MET)
        await connection.execute(INDEXES)
        await connection.execute("ANALYZE calls")

    async def _judge(self, folded: Folded, progress: Progress) -> None:
        asking = AskedLog(self._connection, Schema(self._schema))
        replay = await Replay.begin(asking, "", -1, folded.position - 1)
        seconds = {positions[0]: positions for positions in folded.seconds.values()}
        within = Within(Judging(asking, replay), seconds, folded.shuffled)
        rows = await self._connection.cursor(GROUPS)
        done = 0
        while some := await rows.fetch(BATCH):
            await self._judged(await within.judge(some))
            done += sum(row["calls"] for row in some)
            progress("judging", done)
        await self._judged(await within.rest())
        if within.moved:
            await self._connection.execute(
                "CREATE TEMP TABLE moved (case_id bytea, low bigint, high bigint, seen bigint) ON COMMIT DROP"
            )
            await self._connection.copy_records_to_table("moved", schema_name="pg_temp", records=within.moved)
            await self._connection.execute("ANALYZE pg_temp.moved")
            await self._connection.execute(MOVED)
        await self._connection.execute("ALTER TABLE judged ADD PRIMARY KEY (case_id, seen, low)")

    async def _judged(self, found: list[tuple[Any, ...]]) -> None:
        if found:
            await self._connection.copy_records_to_table("judged", schema_name=self._schema, records=found)

    async def _report(self, folded: Folded) -> dict[str, Any]:
        await self._connection.execute(COUNTED)
        counts: dict[str, int] = {}
        by: list[dict[str, Any]] = []
        for row in await self._connection.fetch(REPORT):
            counts[row["outcome"]] = counts.get(row["outcome"], 0) + row["calls"]
            if row["outcome"] in (EXPLAINED, UNEXPLAINED, OPEN):
                by.append({name: row[name] for name in ("outcome", "kind", "decided_by", "sid", "statement", "calls")})
        missing = await self._connection.fetch(MISSING)
        (span,) = await self._connection.fetch(SPAN)
        return {
            "calls": span["calls"],
            "first": span["first"] and utc(span["first"]),
            "last": span["last"] and utc(span["last"]),
            "changes": len(folded.changed),
            "explained": counts.get(EXPLAINED, 0),
            "unexplained": counts.get(UNEXPLAINED, 0),
            "open": counts.get(OPEN, 0),
            "other_errors": counts.get(OTHER_ERROR, 0),
            "not_asked": counts.get("not asked", 0),
            "by": by,
            "missing": [dict(row) for row in missing],
            "known": folded.known,
            "known_too_late": folded.late[:100],
            "several_orders": folded.several[:100],
            "no_order": folded.unfit[:100],
            "changed_nothing": [{"id": identifier, "reason": reason} for identifier, reason in folded.aside[:100]],
        }
