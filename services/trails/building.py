"""A trail's records to what is asked: its history, its calls in the order of time, and what explains each.

All of it is made anew of `records` after each import, so that late and out-of-order files give what one ordered import
would: changes are folded in the order of time (in an export of our own log, in the log's; those of one second in an order that
the service allows), then every call learns the position that it was decided at, then each distinct call is judged once on the
state of that position. A call of a second with changes in it is judged on each state of that second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from typing import Any

import asyncpg
import orjson

from domain.cloudtrail.changes import is_change, is_own, made_by, met_in
from domain.cloudtrail.judge import EXPLAINED, OPEN, OTHER_ERROR, UNEXPLAINED
from domain.cloudtrail.ordering import ordered
from domain.cloudtrail.record import Broken, Reading, read
from domain.cloudtrail.slots import MAKES, Step, before
from domain.cloudtrail.steps import needed_by, step_of
from domain.trail import events
from domain.trail.catalogue import CATALOGUE, WIRE_NAMES
from domain.world import World
from projections.entry import EVENTS, Appends, Closes, Entry, Interns
from projections.history import project as history
from projections.policy_versions import project as policy_versions
from services.api.items import utc
from services.questions import between
from services.questions.replay import Replay
from services.trails.judging import Judging
from services.trails.naming import InTrail
from services.trails.preparing import UNSHAPED
from services.trails.rows import names
from services.trails.within import Within

BATCH = 1_000
MADE = ("calls", "judged", "history", "texts", "moments", "policy_versions", "positions")
CHANGES = """
SELECT id, at, own_order, raw FROM records WHERE raw IS NOT NULL ORDER BY at, own_order NULLS FIRST, id
"""
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
""".replace("{met}", between.MET)
# Those of our own decisions that are asked most; the rest is found by reading through: a trail is asked now and then.
INDEXES = """
CREATE INDEX ON calls (at, origin, record);
CREATE INDEX ON calls (key_id, at) WHERE key_id IS NOT NULL;
CREATE INDEX ON calls (position) WHERE position IS NOT NULL;
"""
# `low` as in `calls`, -2 for none: the same call may be known to have come after a change, and not be known to.
JUDGED = """
CREATE TABLE judged (case_id bytea, seen bigint, low bigint, outcome text NOT NULL, kind text, decided_by text,
    policy_version text, sid text, statement int, rule text, missing text[] NOT NULL, PRIMARY KEY (case_id, seen, low));
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
UPDATE calls c SET seen = m.seen FROM pg_temp.moved m WHERE c.case_id = m.case_id AND c.low = m.low AND c.seen = m.high
"""
REPORT = """
SELECT coalesce(outcome, 'not asked') AS outcome, kind, decided_by, sid, statement, count(*) AS calls FROM decisions
WHERE origin = 0 GROUP BY 1, 2, 3, 4, 5 ORDER BY calls DESC
"""
MISSING = """
SELECT m AS missing, count(*) AS calls FROM decisions, unnest(missing) m GROUP BY m ORDER BY calls DESC, m LIMIT 20
"""
SPAN = "SELECT count(*) AS calls, min(at) AS first, max(at) AS last FROM calls WHERE origin = 0"
Progress = Callable[[str, int], None]


@dataclass(slots=True)
class _Folded:
    """What the fold has come to: the position after the last event, and what each changing record did."""

    world: World
    position: int = 0
    moments: list[datetime] = field(default_factory=list)
    orders: list[tuple[int, int]] = field(default_factory=list)
    changed: list[tuple[Any, ...]] = field(default_factory=list)
    met: list[tuple[Any, ...]] = field(default_factory=list)
    aside: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[datetime, list[int]] = field(default_factory=dict)
    """Of each second with changes: the positions before the first and after each."""
    several: list[dict[str, Any]] = field(default_factory=list)
    unfit: list[dict[str, Any]] = field(default_factory=list)


class Building:
    def __init__(self, connection: asyncpg.Connection[Any], schema: str, name: str) -> None:
        self._connection, self._kept, self._name = connection, schema, name
        self._schema = f"{schema}_beside"

    async def build(self, progress: Progress) -> dict[str, Any]:
        """In one transaction, beside what is there and put in its place at the end: who asks meanwhile is answered from
        that. The report."""
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
            folded = await self._fold(progress)
            await self._calls(folded)
            await connection.execute("INSERT INTO positions VALUES ('events', 0, $1, '')", folded.position)
            await connection.execute(JUDGED)
            await connection.execute(f"CREATE VIEW cases AS SELECT * FROM {kept}.cases")
            await self._judge(folded, progress)
            await connection.execute("ANALYZE calls; ANALYZE judged; ANALYZE history")
            report = await self._report(folded)
            await connection.execute(f"DROP VIEW cases; DROP VIEW IF EXISTS {kept}.decisions")
            for table in MADE:
                await connection.execute(
                    f"DROP TABLE IF EXISTS {kept}.{table}; ALTER TABLE {beside}.{table} SET SCHEMA {kept}"
                )
            await connection.execute(f"ALTER VIEW {beside}.decisions SET SCHEMA {kept}; DROP SCHEMA {beside}")
            return report

    async def _fold(self, progress: Progress) -> _Folded:
        folded = _Folded(World(region=""))
        rows = await self._connection.cursor(CHANGES)
        done, rest = 0, list[Any]()
        while some := [*rest, *await rows.fetch(BATCH)]:
            # A second is folded whole.
            whole = len(some) > len(rest) and some[0]["at"] != some[-1]["at"]
            more = len(some) > len(rest)
            rest = [row for row in some if row["at"] == some[-1]["at"]] if more else []
            if more and not whole:
                continue
            some = some[: len(some) - len(rest)]
            entries = self._entries(some, folded)
            # The projection takes each entry in before the next is asked for: what a record changes depends on it.
            seen: list[Entry] = []
            for change in history.changes(_noting(entries, seen), folded.world):  # type: ignore[arg-type]  # an iterator will do
                await self._write(change)
            for appended in policy_versions.changes(seen):
                await self._write(appended)
            done += len(some)
            progress("following the changes", done)
            await asyncio.sleep(0)
        return folded

    def _entries(self, rows: list[Any], folded: _Folded) -> Iterator[Entry]:
        for at, second in groupby(rows, key=lambda row: row["at"]):
            records = [(row, read(orjson.loads(row["raw"]), names)) for row in second]
            changes = {
                row["id"]: (row, reading)
                for row, reading in records
                if row["own_order"] is None and is_change(reading) and not reading.refused
            }
            if not changes:
                for row, reading in records:
                    yield from self._record(row, reading, folded)
                continue
            steps = [_step(reading) for _, reading in changes.values()]
            made = {slot for step in steps if step.rank == MAKES for slot in step.writes}
            others = [each for each in records if each[0]["id"] not in changes]
            # Whoever calls, and what is used, is there before the changes, unless it is made by them.
            for row, reading in records:
                if not needed_by(reading) & made:
                    yield from self._record(row, reading, folded, whole=False)
            low = folded.position - 1
            for name in self._order(changes, steps, at, folded):
                row, reading = changes[name]
                yield from self._record(row, reading, folded)
                if folded.changed and folded.changed[-1][0] == name:
                    folded.seconds.setdefault(at, [low]).append(folded.position - 1)
            for row, reading in others:
                yield from self._record(row, reading, folded)

    def _order(
        self, changes: dict[str, tuple[Any, Reading]], steps: list[Step], at: datetime, folded: _Folded
    ) -> list[str]:
        """Changes of one second, in an order that the service allows."""
        if len(steps) == 1:
            return list(changes)
        found = ordered(steps, lambda slot: before(slot, folded.world))
        said = {name: f"{reading.operation} {name}" for name, (_, reading) in changes.items()}
        folded.several += [{"at": utc(at), "changes": [said[one], said[other]]} for one, other in found.open]
        if found.unfit:
            folded.unfit.append({"at": utc(at), "changes": [said[name] for name in found.unfit]})
        return found.ids

    def _record(self, row: Any, reading: Reading, folded: _Folded, *, whole: bool = True) -> Iterator[Entry]:
        before = folded.position - 1
        own: tuple[int, str | None] | None = None
        try:
            if reading.region != folded.world.region:
                yield self._entry(reading, row, events.LogCreated(self._name, reading.region), folded)
            for event in met_in(reading, folded.world):
                yield self._entry(reading, row, event, folded)
            for event in made_by(reading, folded.world) if whole else ():
                about = _about(event, folded.world)
                yield self._entry(reading, row, event, folded)
                if is_own(reading.operation, event):
                    own = len(folded.met) - 1, about or _about(event, folded.world)
        except (Broken, *UNSHAPED) as fault:
            # Of any shape, as records are: what it changed before the fault stands, and the rest goes on.
            folded.aside.append((row["id"], str(fault) if isinstance(fault, Broken) else repr(fault)))
            return
        if own is not None:
            self._note(reading, before, *own, folded)

    def _entry(self, reading: Reading, row: Any, event: object, folded: _Folded) -> Entry:
        at = row["at"]
        document = {
            "at": utc(at),
            "call": {"principal": reading.principal, "access_key": reading.access_key, "id": reading.id},
        }
        entry = Entry(EVENTS, 0, folded.position, at, reading.region, document, event)
        folded.position += 1
        folded.moments.append(at)
        name = WIRE_NAMES[type(event)]
        data = _data(event)
        summary = CATALOGUE[name].summary.format(**data)
        folded.met.append((entry.offset, at, reading.id, name, summary, orjson.dumps(data).decode()))
        return entry

    def _note(self, reading: Reading, before: int, place: int, about: str | None, folded: _Folded) -> None:
        """`place`: of the event that is the record's own; the others only put somebody there."""
        position, _, _, name, summary, data = folded.met.pop(place)
        # Whatever it brought about is done after its last event.
        folded.changed.append((reading.id, before, position, about, name, summary, data))
        if reading.order >= 0:
            folded.orders.append((reading.order, folded.position - 1))

    async def _write(self, change: Any) -> None:
        connection = self._connection
        match change:
            case Appends():
                await connection.copy_records_to_table(
                    change.table, schema_name=self._schema, columns=change.columns, records=change.rows
                )
            case Closes():
                await connection.executemany(_CLOSE, change.rows)
            case Interns():
                marks = ", ".join(f"${number}" for number in range(1, len(change.columns) + 1))
                await connection.executemany(
                    f"INSERT INTO {change.table} VALUES ({marks}) ON CONFLICT DO NOTHING", change.rows
                )

    async def _calls(self, folded: _Folded) -> None:
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

    async def _judge(self, folded: _Folded, progress: Progress) -> None:
        asking = InTrail(self._connection, self._schema)
        replay = await Replay.begin(asking, "", -1, folded.position - 1)
        within = Within(Judging(asking, replay), {positions[0]: positions for positions in folded.seconds.values()})
        rows = await self._connection.cursor(GROUPS)
        done = 0
        while some := await rows.fetch(BATCH):
            await self._judged(await within.judge(some))
            done += sum(row["calls"] for row in some)
            progress("judging", done)
        await self._judged(await within.rest())
        await self._connection.execute(
            "CREATE TEMP TABLE moved (case_id bytea, low bigint, high bigint, seen bigint) ON COMMIT DROP"
        )
        await self._connection.copy_records_to_table("moved", schema_name="pg_temp", records=within.moved)
        await self._connection.execute(MOVED)

    async def _judged(self, found: list[tuple[Any, ...]]) -> None:
        if found:
            await self._connection.copy_records_to_table("judged", schema_name=self._schema, records=found)

    async def _report(self, folded: _Folded) -> dict[str, Any]:
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
            "several_orders": folded.several[:100],
            "no_order": folded.unfit[:100],
            "changed_nothing": [{"id": identifier, "reason": reason} for identifier, reason in folded.aside[:100]],
        }


_CLOSE = (
    "UPDATE history SET until_position = $3, until_at = $4 "
    "WHERE kind = $1 AND id = $2 AND until_position = 9223372036854775807"
)


def _step(reading: Reading) -> Step:
    try:
        return step_of(reading)
    except UNSHAPED:  # the fold tells what is wrong with it
        return Step(reading.id)


def _about(event: object, world: World) -> str | None:
    """The ARN of the identity or managed policy that an event changes, which CloudTrail's records of IAM do not name."""
    unique = getattr(event, "id", None) or getattr(event, "user", None)
    if unique is None:
        return None
    identity = world.directory.identities.get(unique)
    return identity.arn if identity is not None else world.directory.policy_arns.get(unique)


def _noting(entries: Iterator[Entry], seen: list[Entry]) -> Iterator[Entry]:
    for entry in entries:
        seen.append(entry)
        yield entry


def _data(event: Any) -> dict[str, Any]:
    return asdict(event)  # every catalogued event is a dataclass
