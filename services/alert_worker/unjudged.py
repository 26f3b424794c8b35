"""Policies that took more steps than are taken while others wait: judged to the end, each account's in its own turn.

Each is a row that came with the position that passed it, and goes when its alerts are on their topic: a worker that is
killed in between leaves the row, and the next one raises the same alerts under the same names. A row is locked while it
is judged, so that two workers do not take the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from domain.alerts import unjudged
from domain.alerts.engine.judge import Judge, JudgedChange
from domain.policy_analysis.budget import Budget
from services.adapters.postgres import Pool
from services.alert_worker import tables
from services.alert_worker.books import Books
from services.alert_worker.topic import Publisher
from services.logs import logger_of
from services.runtime.task_group import together
from services.shares import Shares, breathe

log = logger_of("alerts")

MOST_STEPS = 100_000_000
"""Some minutes of a processor: what takes more stays as it was told, not known."""
AT_ONCE = 2
LOOK_EVERY = 0.5


class Later:
    def __init__(self, pool: Pool, books: Books, judge: Callable[[], Judge], publisher: Publisher) -> None:
        self._pool = pool
        self._books = books
        self._judge = judge
        self._publisher = publisher
        self._shares = Shares("judging", AT_ONCE)
        self._busy: set[str] = set()

    async def judge_on(self) -> None:
        """For ever, one of an account at a time. Raises Changed, Elsewhere, INTERRUPTED."""
        await together(*(self._judge_on() for _ in range(AT_ONCE)))

    async def _judge_on(self) -> None:
        while True:
            if not await self.one():
                await asyncio.sleep(LOOK_EVERY)

    async def one(self) -> bool:
        """Judge the next; whether there was one. Raises Changed, Elsewhere, INTERRUPTED."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await tables.oldest_unjudged(connection, self._books, sorted(self._busy))
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
            await tables.judged(connection, self._books, position)
        return True


def judged_to_the_end(judge: Judge, document: dict[str, Any]) -> JudgedChange:
    change = unjudged.change_from(document, judge.settings)
    return judge.within(change, document["source"], Budget(MOST_STEPS, breathe))
