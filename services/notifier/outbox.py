"""What is to be told to each notifier, in Postgres: which alerts were taken in, which are held back in a storm, which
messages wait, and which were given up.

Alerts of one rule go out at once until there are a few within the time; what follows is one message with a count at the end
of it. Taking in and writing a message are one transaction, so that nothing is lost and nothing comes twice from here; a
message may still be delivered twice, under the same id, where its acknowledgement was lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson

from domain.alerts.finding import SEVERITIES
from domain.alerts.telling import telling
from projections.alerts import queries as alerts
from projections.alerts.queries import Filters
from services.adapters.alerts_file import Notifier
from services.adapters.postgres import Connection, Pool
from services.api.items import item, utc

AT_ONCE = 5
"""Alerts of one rule that are messages of their own within the time."""
TAKEN = 500
NAMED = 100
"""Alerts that a message names; it counts all."""
DOCUMENTS = ("suppressed", "evidence", "source")

_TABLES = """
CREATE SCHEMA IF NOT EXISTS notifying;
CREATE TABLE IF NOT EXISTS notifying.cursors (
    notifier text PRIMARY KEY, log text NOT NULL, number bigint NOT NULL, since timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS notifying.storms (
    notifier text, rule text, until timestamptz NOT NULL, sent int NOT NULL, held jsonb NOT NULL, first jsonb,
    count int NOT NULL, last text NOT NULL DEFAULT '', PRIMARY KEY (notifier, rule)
);
ALTER TABLE notifying.storms ADD COLUMN IF NOT EXISTS last text NOT NULL DEFAULT '';
CREATE TABLE IF NOT EXISTS notifying.outbox (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, notifier text NOT NULL, id text NOT NULL, message jsonb NOT NULL,
    since timestamptz NOT NULL, attempts int NOT NULL DEFAULT 0, fault text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS outbox_notifier ON notifying.outbox (notifier, number);
CREATE TABLE IF NOT EXISTS notifying.dead (
    number bigint PRIMARY KEY, notifier text NOT NULL, id text NOT NULL, message jsonb NOT NULL, since timestamptz NOT NULL,
    attempts int NOT NULL, fault text NOT NULL, at timestamptz NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message: `message` is what happened (count, first and last time, the first alert whole, the names of the others)."""

    number: int
    id: str
    message: dict[str, Any]
    since: datetime
    attempts: int


async def prepare(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(1802661491)")
        await connection.execute(_TABLES)


async def begin(pool: Pool, notifier: Notifier, log: str) -> None:
    """A notifier that is new is told of what happens from now on: not of what was raised before, nor of what is raised
    again of an older time (after a restore the whole log is judged anew)."""
    await pool.execute(
        "INSERT INTO notifying.cursors VALUES ($1, $2, $3, $4) ON CONFLICT (notifier) DO UPDATE "
        "SET log = excluded.log, number = excluded.number, since = excluded.since WHERE cursors.log <> excluded.log",
        notifier.name, log, await alerts.newest(pool), now(),
    )  # fmt: skip


async def take_in(pool: Pool, notifier: Notifier, now: datetime) -> int:
    """Messages of what was raised since, and of storms whose time is over; how many alerts were taken in. Of every account:
    whoever may configure the installation may hear of all of it."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "SELECT number, since FROM notifying.cursors WHERE notifier = $1 FOR UPDATE", notifier.name
        )
        assert row is not None, "begin comes first"
        filters = Filters(None, rank=SEVERITIES.index(notifier.least))
        newest = await alerts.newest(connection)
        raised = await alerts.after(connection, filters, row["number"], TAKEN)
        found = [_told(each) for each in raised if each["at"] >= row["since"]]
        storms = {
            each["rule"]: _Storm(
                each["until"],
                each["sent"],
                orjson.loads(each["held"]),
                _parsed(each["first"]),
                each["count"],
                each["last"],
            )
            for each in await connection.fetch("SELECT * FROM notifying.storms WHERE notifier = $1", notifier.name)
        }
        before = {rule: storm.shown for rule, storm in storms.items()}
        messages: list[dict[str, Any]] = []
        over = {rule: storm for rule, storm in storms.items() if storm.until <= now}
        for rule, storm in over.items():
            if not storm.count:
                del storms[rule]
                continue
            messages.append(storm.message())
            storms[rule] = _Storm(now + timedelta(seconds=notifier.group_seconds), AT_ONCE, [])
        for alert in found:
            later = now + timedelta(seconds=notifier.group_seconds)
            storm = storms.setdefault(alert["rule"], _Storm(later, 0, []))
            if storm.sent < AT_ONCE or not notifier.group_seconds:
                storm.sent += 1
                messages.append(_message([alert["id"]], alert, alert["at"], 1))
            else:
                storm.hold(alert)
        await _write(connection, notifier, messages, storms, before, now)
        # Those that are milder than it is told of are passed over for good.
        reached = raised[-1]["number"] if len(raised) == TAKEN else max([newest, *(each["number"] for each in raised)])
        if reached > row["number"]:
            await connection.execute(
                "UPDATE notifying.cursors SET number = $2 WHERE notifier = $1", notifier.name, reached
            )
    return len(raised)


def _told(row: Any) -> dict[str, Any]:
    """An alert as every notifier tells it: who did it, and the commands with what it is of filled in."""
    found = item(row, DOCUMENTS)
    return found | telling(found)


@dataclass(slots=True)
class _Storm:
    until: datetime
    sent: int
    held: list[str]
    first: dict[str, Any] | None = None
    count: int = 0
    last: str = ""
    """When the newest of those that are held was raised."""

    def hold(self, alert: dict[str, Any]) -> None:
        self.count += 1
        if self.first is None:
            self.first = alert
        if len(self.held) < NAMED:
            self.held.append(alert["id"])
        self.last = alert["at"]

    def message(self) -> dict[str, Any]:
        assert self.first is not None, "something was held"
        return _message(self.held, self.first, self.last, self.count)

    @property
    def shown(self) -> tuple[Any, ...]:
        return self.until, self.sent, list(self.held), self.count


def _message(ids: list[str], first: dict[str, Any], last: str, count: int) -> dict[str, Any]:
    return {"count": count, "first_at": first["at"], "last_at": last, "alert": first, "alerts": ids}


def _parsed(text: str | None) -> dict[str, Any] | None:
    return None if text is None else orjson.loads(text)


async def _write(
    connection: Connection,
    notifier: Notifier,
    messages: list[dict[str, Any]],
    storms: dict[str, _Storm],
    before: dict[str, tuple[Any, ...]],
    now: datetime,
) -> None:
    await connection.executemany(
        "INSERT INTO notifying.outbox (notifier, id, message, since) VALUES ($1, $2, $3, $4)",
        [(notifier.name, str(uuid4()), orjson.dumps(each).decode(), now) for each in messages],
    )
    gone = [rule for rule in before if rule not in storms]
    if gone:
        await connection.execute(
            "DELETE FROM notifying.storms WHERE notifier = $1 AND rule = ANY($2)", notifier.name, gone
        )
    changed = [(rule, storm) for rule, storm in storms.items() if before.get(rule) != storm.shown]
    await connection.executemany(
        "INSERT INTO notifying.storms VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (notifier, rule) DO UPDATE SET "
        "until = excluded.until, sent = excluded.sent, held = excluded.held, first = excluded.first, "
        "count = excluded.count, last = excluded.last",
        [
            (
                notifier.name, rule, storm.until, storm.sent, orjson.dumps(storm.held).decode(),
                None if storm.first is None else orjson.dumps(storm.first).decode(), storm.count, storm.last,
            )
            for rule, storm in changed
        ],
    )  # fmt: skip


async def head(pool: Pool, notifier: str) -> Waiting | None:
    """The message that is next."""
    row = await pool.fetchrow(
        "SELECT number, id, message, since, attempts FROM notifying.outbox WHERE notifier = $1 ORDER BY number LIMIT 1",
        notifier,
    )
    if row is None:
        return None
    return Waiting(row["number"], row["id"], orjson.loads(row["message"]), row["since"], row["attempts"])


async def delivered(pool: Pool, number: int) -> None:
    await pool.execute("DELETE FROM notifying.outbox WHERE number = $1", number)


async def failed(pool: Pool, number: int, fault: str) -> None:
    await pool.execute(
        "UPDATE notifying.outbox SET attempts = attempts + 1, fault = $2 WHERE number = $1", number, fault[:500]
    )


async def given_up(pool: Pool, number: int, fault: str) -> None:
    """The message is a dead letter."""
    await pool.execute(
        "WITH gone AS (DELETE FROM notifying.outbox WHERE number = $1 RETURNING *) INSERT INTO notifying.dead "
        "SELECT number, notifier, id, message, since, attempts + 1, $2, now() FROM gone",
        number, fault[:500],
    )  # fmt: skip


async def state(pool: Any) -> list[dict[str, Any]]:
    """Of each notifier, what waits and what was given up."""
    if await pool.fetchval("SELECT to_regclass('notifying.dead') IS NULL"):
        return []
    rows = await pool.fetch(
        "SELECT c.notifier, c.number, (SELECT count(*) FROM notifying.outbox o WHERE o.notifier = c.notifier) AS waiting, "
        "(SELECT min(since) FROM notifying.outbox o WHERE o.notifier = c.notifier) AS since, "
        "(SELECT fault FROM notifying.outbox o WHERE o.notifier = c.notifier ORDER BY number LIMIT 1) AS fault, "
        "(SELECT count(*) FROM notifying.dead d WHERE d.notifier = c.notifier) AS dead FROM notifying.cursors c ORDER BY 1"
    )
    return [
        {**dict(row), "since": None if row["since"] is None else utc(row["since"]), "fault": row["fault"] or ""}
        for row in rows
    ]


async def dead(pool: Any, limit: int) -> list[dict[str, Any]]:
    """Dead letters, the oldest first."""
    if await pool.fetchval("SELECT to_regclass('notifying.dead') IS NULL"):
        return []
    rows = await pool.fetch("SELECT * FROM notifying.dead ORDER BY number LIMIT $1", limit)
    return [item(row, ("message",)) for row in rows]


async def again(pool: Any) -> int:
    """Put every dead letter back, behind what waits; how many."""
    if await pool.fetchval("SELECT to_regclass('notifying.dead') IS NULL"):
        return 0
    rows = await pool.fetch(
        "WITH back AS (DELETE FROM notifying.dead RETURNING *) INSERT INTO notifying.outbox (notifier, id, message, since) "
        "SELECT notifier, id, message, now() FROM back ORDER BY number RETURNING number"
    )
    return len(rows)


def now() -> datetime:
    return datetime.now(UTC)
