"""How often somebody may try a secret that can be guessed: a bucket of attempts for each subject, which all workers share.

The rows are counters of minutes, and no record: a crash of Postgres empties the table, which is unlogged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from domain.ports import Unavailable
from services.adapters.postgres import LOST, Pool, make

_TABLE = """
CREATE SCHEMA IF NOT EXISTS attempts;
CREATE UNLOGGED TABLE IF NOT EXISTS attempts.buckets (
    subject text PRIMARY KEY, left_over double precision NOT NULL, at timestamptz NOT NULL
)
"""
_TAKE = """
INSERT INTO attempts.buckets AS held (subject, left_over, at) VALUES ($1, $2 - 1, clock_timestamp())
ON CONFLICT (subject) DO UPDATE SET
    left_over = least($2, held.left_over + greatest(0, extract(epoch FROM clock_timestamp() - held.at)) / $3) - 1,
    at = clock_timestamp()
WHERE held.at > clock_timestamp() + interval '1 second'
    OR least($2, held.left_over + extract(epoch FROM clock_timestamp() - held.at) / $3) >= 1
RETURNING left_over
"""
"""A row of a time to come was written before the clock was set back: it would keep everybody out for as long as the step. It lets
one attempt pass, and has the present time then."""
_GIVE_BACK = "UPDATE attempts.buckets SET left_over = least($2, left_over + 1) WHERE subject = $1"
_REMOVE_FULL = "DELETE FROM attempts.buckets WHERE at < clock_timestamp() - interval '1 hour'"
"""Within an hour every bucket is full again."""
REMOVE_EVERY = 600.0


class TooManyAttempts(Exception):
    """The subject has no attempt left now."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Each subject may try `burst` times, and once more every `seconds`."""

    pool: Pool
    burst: int
    seconds: float

    @staticmethod
    async def prepare(pool: Pool) -> None:
        await make(pool, _TABLE)

    async def take(self, subject: str) -> None:
        """Take one attempt, before the secret is looked at. Raises TooManyAttempts, Unavailable."""
        async with self._answering():
            row = await self.pool.fetchrow(_TAKE, subject, float(self.burst), self.seconds)
        if row is None:
            raise TooManyAttempts(subject)

    async def give_back(self, subject: str) -> None:
        """The attempt that was taken does not count. Raises Unavailable."""
        async with self._answering():
            await self.pool.execute(_GIVE_BACK, subject, float(self.burst))

    async def forget(self, subject: str) -> None:
        """The secret was right: the subject has all its attempts again. Raises Unavailable."""
        async with self._answering():
            await self.pool.execute("DELETE FROM attempts.buckets WHERE subject = $1", subject)

    @staticmethod
    async def keep_removing(pool: Pool) -> None:
        """Removes the buckets that are full again, so that a stranger who tries many names fills no table."""
        while True:
            with suppress(*LOST):
                await pool.execute(_REMOVE_FULL)
            await asyncio.sleep(REMOVE_EVERY)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        try:
            yield
        except LOST as fault:
            raise Unavailable("the database does not answer") from fault
