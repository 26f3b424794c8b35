"""Policies that take too many steps while other records wait. They are judged to the end later, each account's in its turn.

Each is a row that is written with the position that passed it, and removed when its alerts are on their topic. If a worker is
killed in between, the row stays, and the next worker raises the same alerts under the same names. A row is locked while it is
judged, so that two workers do not take the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from domain.alerts import change_document
from domain.alerts.engine.judge import Judge, JudgedChange
from domain.policy_analysis.budget import Budget
from services.adapters.alert_publisher import Publisher
from services.adapters.postgres import Connection, Pool
from services.alert_worker.books import Books, RowsChanged
from services.alert_worker.positions import JUDGED_LATER, LockedPosition, locked, of_era
from services.alert_worker.schema import UNJUDGED
from services.logs import logger_of
from services.runtime.task_group import together
from services.shares import Shares, breathe

log = logger_of("alerts")

MOST_STEPS = 100_000_000
"""Some minutes of a processor. A policy that takes more keeps the alert that says: not known."""
AT_ONCE = 2
LOOK_EVERY = 0.5


class UnjudgedChanges:
    def __init__(self, pool: Pool, books: Books, judge: Callable[[], Judge], publisher: Publisher) -> None:
        self._pool = pool
        self._books = books
        self._judge = judge
        self._publisher = publisher
        self._shares = Shares("judging", AT_ONCE)
        self._busy: set[str] = set()

    async def judge_on(self) -> None:
        """Judge such policies for ever, at most one of an account at a time. Raises RowsChanged, JudgedElsewhere, INTERRUPTED."""
        await together(*(self._judge_on() for _ in range(AT_ONCE)))

    async def _judge_on(self) -> None:
        while True:
            if not await self.one():
                await asyncio.sleep(LOOK_EVERY)

    async def one(self) -> bool:
        """Judge the next one. Returns whether there was one. Raises RowsChanged, JudgedElsewhere, INTERRUPTED."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await oldest_unjudged(connection, self._books, sorted(self._busy))
            if row is None:
                return False
            account, position, document = row
            self._busy.add(account)
            try:
                found = await self._shares.run(account, judged_to_the_end, self._judge(), document)
            finally:
                self._busy.discard(account)
            if found.unfinished:
                log.warning("a policy takes too many steps; it stays not known", position=position)
            else:
                told = set(document["told"])
                await self._publisher.publish([each for each in found.alerts if each.id not in told])
            await judged(connection, self._books, position)
        return True


def judged_to_the_end(judge: Judge, document: dict[str, Any]) -> JudgedChange:
    change = change_document.change_from(document, judge.settings)
    return judge.within(change, document["source"], Budget(MOST_STEPS, breathe))


async def put_off(held: LockedPosition, account: str, document: dict[str, Any]) -> None:
    """Have a change judged to the end later. It is kept together with the position that passes it. Raises RowsChanged."""
    fields = (document["position"], account, orjson.dumps(document).decode())
    mac, number = held.sealed(UNJUDGED, fields)
    done = await held.connection.execute(
        "INSERT INTO alerting.unjudged VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", *fields, mac
    )
    if done != "INSERT 0 1":
        raise RowsChanged(f"@{document['position']} was put off before it was judged")
    held.add(number)


async def oldest_unjudged(
    connection: Connection, books: Books, without: Sequence[str]
) -> tuple[str, int, dict[str, Any]] | None:
    """(account, position, document) of the oldest change that nobody judges now, leaving out the accounts in `without`. It
    stays locked until the transaction ends. Raises RowsChanged, JudgedElsewhere."""
    row = await connection.fetchrow(
        "SELECT position, account, document, mac FROM alerting.unjudged WHERE account <> ALL($1::text[]) "
        "ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED",
        list(without),
    )
    if row is None:
        return None
    await of_era(connection, books, lambda row: books.number(UNJUDGED, row), row)
    return row["account"], row["position"], orjson.loads(row["document"])


async def oldest_position(pool: Pool) -> int | None:
    """The oldest position of the changes that wait to be judged to the end, locked or not."""
    found: int | None = await pool.fetchval("SELECT min(position) FROM alerting.unjudged")
    return found


async def judged(connection: Connection, books: Books, position: int) -> None:
    """Remove a change that was judged to the end. Raises RowsChanged, JudgedElsewhere."""
    held = await locked(connection, books, JUDGED_LATER)
    row = await connection.fetchrow(
        "DELETE FROM alerting.unjudged WHERE position = $1 RETURNING position, account, document, mac", position
    )
    assert row is not None, "the row is locked"
    held.add(-held.number(UNJUDGED, row))
    await held.move(held.reached)
