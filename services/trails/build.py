"""Builds the tables that answer questions from a trail's records: its history, its calls in the order of time, and what
explains each call.

After each import, all tables are built again from `records`. So files that come late, or in another order, give the same
result as one ordered import. There are four steps:

1. The changes are folded in the order of time. (An export of our own log keeps the log's order. Changes of one second are
   put in an order that the service would allow.)
2. Each call gets the position at which it was decided.
3. Each distinct call is judged once on the state at its position. If changes happened in the call's own second, it is judged
   on each state of that second.
4. The new tables replace the old ones.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import asyncpg

from domain.cloudtrail.judge import EXPLAINED, OPEN, OTHER_ERROR, UNEXPLAINED
from projections.log.schema import AskedLog, Schema
from projections.trails import calls
from services.adapters.trail_topics import schema_beside
from services.questions.replay import Replay
from services.rendering import utc
from services.runtime.memory import seldom
from services.trails.fold import Folded, ImportProgress, TrailFold
from services.trails.judged_calls import CaseJudge
from services.trails.seconds import JudgedSeconds

BATCH = 1_000


class TrailBuild:
    def __init__(self, connection: asyncpg.Connection[Any], schema: str, name: str) -> None:
        self._connection, self._kept, self._name = connection, schema, name
        self._schema = schema_beside(schema)

    async def build(self, progress: ImportProgress) -> dict[str, Any]:
        """Builds the tables in one transaction. Until they replace the old ones, the old ones answer questions.
        Returns the report."""
        with seldom():
            return await self._build(progress)

    async def _build(self, progress: ImportProgress) -> dict[str, Any]:
        connection, kept, beside = self._connection, self._kept, self._schema
        async with connection.transaction():
            await self._begin()
            folded = await TrailFold(connection, beside, self._name).fold(progress)
            await connection.execute(calls.REACHED, folded.position)
            await self._order_calls(folded)
            await connection.execute(calls.JUDGED)
            await connection.execute(calls.cases_seen_from(kept))
            unjudged = await self._judge(folded, progress)
            await connection.execute(calls.JUDGED_IS_FULL)
            report = await self._report(folded, unjudged)
            await connection.execute(calls.put_in_place(beside, kept))
            return report

    async def _begin(self) -> None:
        connection, kept, beside = self._connection, self._kept, self._schema
        await connection.execute(f"DROP SCHEMA IF EXISTS {beside} CASCADE; CREATE SCHEMA {beside}")
        await connection.execute(f"SET LOCAL search_path TO {beside}, {kept}, pg_temp")
        # Hundreds of thousands of rows are sorted and joined: with less memory, all of it would spill to disk.
        await connection.execute(
            "SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL default_statistics_target = 20"
        )
        for projection in ("history", "policy_versions"):
            await connection.execute(files("projections").joinpath(projection, "table.sql").read_text())
        await connection.execute(calls.POSITIONS)

    async def _order_calls(self, folded: Folded) -> None:
        """Puts all calls in the order of time, each with the position at which it was decided."""
        connection = self._connection
        await connection.execute(calls.FOLDED)
        lows = [(at, positions[0]) for at, positions in folded.seconds.items()]
        orders = sorted(folded.orders)
        for table, rows in (
            ("changed", folded.changed),
            ("met", folded.met),
            ("seconds", lows),
            ("event_times", [(folded.moments,)]),
            ("own_orders", [([order for order, _ in orders],)]),
            ("positions_of_own_orders", [([position for _, position in orders],)]),
        ):
            await connection.copy_records_to_table(table, schema_name="pg_temp", records=rows)
        for statements in (calls.COUNT_FOLDED, calls.CALLS, calls.ADD_MET, calls.INDEXES):
            await connection.execute(statements)

    async def _judge(self, folded: Folded, progress: ImportProgress) -> list[dict[str, Any]]:
        """Returns the seconds with more calls than were judged on each state: the time, and the number of these calls."""
        asking = AskedLog(self._connection, Schema(self._schema))
        replay = await Replay.begin(asking, "", -1, folded.position - 1)
        seconds = {positions[0]: positions for positions in folded.seconds.values()}
        within = JudgedSeconds(CaseJudge(asking, replay), seconds, folded.shuffled)
        rows = await self._connection.cursor(calls.GROUPS)
        done = 0
        while some := await rows.fetch(BATCH):
            await self._judged(await within.judge(some))
            done += sum(row["calls"] for row in some)
            progress("judging", done)
        await self._judged(await within.rest())
        if within.moved:
            await self._connection.execute(calls.MOVED)
            await self._connection.copy_records_to_table("moved", schema_name="pg_temp", records=within.moved)
            await self._connection.execute(calls.MOVE)
        times = {positions[0]: at for at, positions in folded.seconds.items()}
        return [{"at": utc(times[low]), "calls": count} for low, count in sorted(within.unjudged.items())]

    async def _judged(self, found: list[tuple[Any, ...]]) -> None:
        if found:
            await self._connection.copy_records_to_table("judged", schema_name=self._schema, records=found)

    async def _report(self, folded: Folded, unjudged: list[dict[str, Any]]) -> dict[str, Any]:
        await self._connection.execute(calls.COUNTED)
        counts: dict[str, int] = {}
        by: list[dict[str, Any]] = []
        for row in await self._connection.fetch(calls.REPORT):
            counts[row["outcome"]] = counts.get(row["outcome"], 0) + row["calls"]
            if row["outcome"] in (EXPLAINED, UNEXPLAINED, OPEN):
                by.append({name: row[name] for name in ("outcome", "kind", "decided_by", "sid", "statement", "calls")})
        missing = await self._connection.fetch(calls.MISSING)
        (span,) = await self._connection.fetch(calls.SPAN)
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
            "orders_not_tried": folded.untried[:100],
            "states_not_judged": unjudged[:100],
            "changed_nothing": [{"id": identifier, "reason": reason} for identifier, reason in folded.aside[:100]],
        }
