"""A row for each process whose spans the collector of traces does not take, for `keytrail status` and `keytrail doctor`.

Spans may be lost, so nothing here has to be certain: a row is written some seconds late, renewed each minute, and believed for
three. A process removes its row as it ends, and one that a killed process leaves is soon worth nothing. What every process knows
would also be in its metrics, but whoever asks `status` of one machine cannot read those of the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from datetime import datetime
from typing import Any

from asyncpg import UndefinedTableError

from domain.characters import visible
from services.adapters.postgres import INTERRUPTED, Pool, make
from services.logs import logger_of
from services.otlp.outbox import AwayCollector
from services.rendering import utc
from services.settings import Settings
from services.traces.tracer import TRACES

log = logger_of("otlp")

LOOK_EVERY, RENEW_EVERY, BELIEVED = 2.0, 60.0, 180.0
END_PATIENCE = 2.0
"""How many seconds an end waits for the database; what waits to be sent to the collector may take as long."""
SCHEMA = "tracing"
_TABLE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.away (
    process text PRIMARY KEY, kind text NOT NULL, fault text NOT NULL, since timestamptz NOT NULL, at timestamptz NOT NULL
)
"""
_BELIEVED = "at BETWEEN now() - make_interval(secs => {0}) AND now() + make_interval(secs => {0})"
"""A row far in the future is one of a process that is gone, from before Postgres's clock was set back."""


class CollectorTelling:
    """`kind`: the kind of this process."""

    def __init__(self, settings: Settings, pool: Pool, kind: str) -> None:
        self._pool, self._kind, self._collector = pool, kind, settings.traces_endpoint
        self._process = f"{kind} {os.uname().nodename} {os.getpid()}"
        self._told: AwayCollector | None = None
        self._at, self._ended = 0.0, False
        self._looking = asyncio.Lock()

    async def keep_telling(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except INTERRUPTED as fault:
                log.warning("what the collector says could not be kept; trying again", reason=repr(fault))

    async def look(self) -> None:
        """Tells what has changed. Raises INTERRUPTED."""
        async with self._looking:
            if not self._ended:
                await self._look()

    async def end(self) -> None:
        """Removes what this process told, and tells nothing more. Where the database does not answer, the row is soon worth
        nothing."""
        self._ended = True
        with contextlib.suppress(UndefinedTableError, TimeoutError, *INTERRUPTED):
            async with asyncio.timeout(END_PATIENCE), self._looking:  # a row that is being written is there by then
                await self._remove()

    async def _look(self) -> None:
        now = TRACES.tracer.away if TRACES.tracer is not None else None
        if now == self._told and (now is None or time.monotonic() < self._at + RENEW_EVERY):
            return
        if now is None:
            await self._remove()
        else:
            if self._told is None:
                await make(self._pool, _TABLE)
            await self._tell(now)
        self._told, self._at = now, time.monotonic()

    async def _remove(self) -> None:
        await self._pool.execute(f"DELETE FROM {SCHEMA}.away WHERE process = $1", self._process)

    async def _tell(self, now: AwayCollector) -> None:
        await self._pool.execute(
            f"WITH old AS (DELETE FROM {SCHEMA}.away WHERE process <> $1 AND NOT {_BELIEVED.format('$5')}) "
            f"INSERT INTO {SCHEMA}.away VALUES ($1, $2, $3, $4, now()) ON CONFLICT (process) DO UPDATE "
            "SET fault = excluded.fault, since = excluded.since, at = excluded.at",
            self._process, self._kind, visible(f"{self._collector}: {now.why}"), now.since, BELIEVED,
        )  # fmt: skip


_telling: dict[CollectorTelling, asyncio.Task[None]] = {}


def tell_of_collector(settings: Settings, pool: Pool, kind: str) -> None:
    """From now on, until `end_telling`. Nothing where this process traces no calls."""
    if TRACES.tracer is not None:
        telling = CollectorTelling(settings, pool, kind)
        _telling[telling] = asyncio.create_task(telling.keep_telling(), name="collector")


async def end_telling() -> None:
    """Before an orderly end of the process, while it still reaches the database."""
    for each in _telling:
        await each.end()


async def state(pool: Pool) -> dict[str, Any] | None:
    """Why the collector takes no spans, since when, and the kinds of processes that say so; None if none does. Raises Postgres's
    errors."""
    try:
        rows = await pool.fetch(
            f"SELECT kind, fault, since FROM {SCHEMA}.away WHERE {_BELIEVED.format('$1')} ORDER BY since",
            BELIEVED,
        )
    except UndefinedTableError:  # it was never away
        return None
    if not rows:
        return None
    since: datetime = rows[0]["since"]
    return {
        "fault": rows[-1]["fault"],
        "since": utc(since),
        "processes": sorted({row["kind"] for row in rows}),
    }
