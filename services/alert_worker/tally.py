"""Counts, and the position of the partition that they come from, moved on in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from domain.alerts.engine.alert import Alert
from domain.alerts.engine.judge import Candidate, Judge, Pair
from services.adapters.alert_publisher import Publisher
from services.adapters.postgres import Pool
from services.alert_worker import positions
from services.alert_worker.books import Books, JudgedElsewhere, LogPartition
from services.alert_worker.counts import Counts
from services.alert_worker.key_ages import Ages
from services.alert_worker.positions import JudgedUpTo, LockedPosition, WrittenPosition

SourcedCandidate = tuple[Candidate, int, Mapping[str, Any]]
"""A candidate, with the time and the source of the record that it comes from."""


class PartitionTally:
    """Counts in Postgres. The alerts are on their topic before the transaction is committed."""

    def __init__(self, pool: Pool, books: Books, judge: Callable[[], Judge], publisher: Publisher, ages: Ages) -> None:
        self._pool = pool
        self._books = books
        self._judge = judge
        self._publisher = publisher
        self._ages = ages
        # One per stream: what a transaction has written must not count as committed when another stream's transaction
        # ends.
        self._counts = Counts()
        self._era = ""
        self._written: dict[LogPartition, WrittenPosition] = {}

    @asynccontextmanager
    async def holding(self, part: LogPartition, first: int) -> AsyncIterator[HeldPartition]:
        """A partition that is judged up to `first`; no other worker judges it until this ends. What `HeldPartition` settles
        counts when it ends. Raises JudgedElsewhere if it is judged up to another offset, RowsChanged, INTERRUPTED."""
        self._written.pop(part, None)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                locked = await positions.locked(connection, self._books, part)
                if self._era != self._books.era:  # the tables were emptied, and everything is judged again
                    self._counts.forget()
                    self._era = self._books.era
                if locked.reached.next != first:
                    raise JudgedElsewhere("another worker judged these records")
                yield HeldPartition(self, locked)
        except BaseException:
            self._counts.dropped()
            raise
        self._counts.committed()
        if locked.written is not None:
            self._keep(part, locked.written)

    async def passed(
        self,
        part: LogPartition,
        first: int,
        to: JudgedUpTo,
        candidates: Sequence[SourcedCandidate],
        pairs: Sequence[Pair],
    ) -> bool:
        """Move a partition that is judged up to `first` on at once, if these records change no count: in a busy hour nearly
        all are such. False if that was not possible; `holding` then raises the reason. Raises INTERRUPTED."""
        was = self._written.pop(part, None)
        if (
            was is None
            or was.reached.next != first
            or not self._counts.has_all([each for each, _, _ in candidates], pairs)
        ):
            return False
        written = await positions.passed(self._pool, self._books, part, was, to)
        if written is None:
            return False
        self._keep(part, written)
        return True

    def _keep(self, part: LogPartition, written: WrittenPosition) -> None:
        self._written[part] = written
        self._books.committed(part, written.reached.next)

    async def settle(
        self, locked: LockedPosition, to: JudgedUpTo, candidates: Sequence[SourcedCandidate], pairs: Sequence[Pair]
    ) -> None:
        alerts = await self._reached(locked, candidates) + await self._first(locked, pairs)
        if alerts:
            await self._publisher.publish(alerts)
        await locked.move(to)

    async def _reached(self, locked: LockedPosition, candidates: Sequence[SourcedCandidate]) -> list[Alert]:
        if not candidates:
            return []
        crossed = await self._counts.add(locked, [each for each, _, _ in candidates])
        by_window = {each.window_of: (each, at, source) for each, at, source in reversed(candidates)}
        judge = self._judge()
        return [judge.reached(*by_window[name]) for name in crossed]

    async def _first(self, locked: LockedPosition, pairs: Sequence[Pair]) -> list[Alert]:
        new = await self._counts.new(locked, pairs) if pairs else []
        if not new:
            return []
        judge = self._judge()
        created = await self._ages.of(new, judge.least_age) if judge.least_age else {}
        found = [judge.first(each, created.get(each.key, 0)) for each in new]
        return [each for each in found if each is not None]


@dataclass(frozen=True, slots=True)
class HeldPartition:
    """A partition that only one worker judges now."""

    counter: PartitionTally
    locked: LockedPosition

    async def settle(
        self, to: JudgedUpTo, candidates: Sequence[SourcedCandidate] = (), pairs: Sequence[Pair] = ()
    ) -> None:
        """The partition is judged up to `to`; count these candidates and pairs."""
        await self.counter.settle(self.locked, to, candidates, pairs)
