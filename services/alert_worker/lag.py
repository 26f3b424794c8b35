"""A watch over a worker's lag, and over everything that has to happen again and again. If something does not happen, an operator
gets an alert.

These alerts go to Kafka and need nothing from Postgres. A lock in Postgres can stop the judging, but not the alert about it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.alerts.engine.judge import Judge
from domain.alerts.health import Health
from domain.alerts.rules import alerts_behind
from domain.durations import HOUR_MICROS
from domain.ports import Unavailable
from projections.log.entry import DECISIONS, EVENTS
from services.adapters.alert_publisher import Publisher
from services.adapters.postgres import INTERRUPTED, Pool
from services.alert_worker import positions, proof, rotation, unjudged
from services.alert_worker.books import Books, LogPartition, RowsChanged
from services.alert_worker.followed import FollowedTopics, ends_of
from services.alert_worker.positions import JudgedUpTo
from services.logs import logger_of
from services.metrics import ALERTS_AT, ALERTS_LAG

log = logger_of("alerts")

READ_PATIENCE = 5.0
"""Seconds that Postgres may take to say how far everything is judged."""
PROOF_OVERDUE = 600.0
"""Seconds within which all rows have to be proved once. The pause between two proofs is five minutes at most, and proving
tens of millions of rows takes as long again."""
POLICY_OVERDUE = 900.0
"""Seconds for which the same policy may be the oldest one that waits: the longest takes some minutes."""
KEY_OVERDUE = 900.0
"""Seconds after a rotation within which everything has to be sealed under the new key."""
TELL_EVERY = 3600.0
LAGS, PROOF, POLICY, KEY = "", "proof", "policy", "key"
CatchUp = Callable[[Sequence[tuple[LogPartition, int]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Overdue:
    """Seconds after which the watch reports what is overdue."""

    read: float = READ_PATIENCE
    proof: float = PROOF_OVERDUE
    policy: float = POLICY_OVERDUE
    key: float = KEY_OVERDUE


@dataclass(slots=True)
class _Trouble:
    """Since when a trouble lasts, and when it was last reported (both monotonic)."""

    since: float
    told: float = float("-inf")


class LagWatch:
    """The watch. `catch_up` reads partitions up to their ends when Faust does not hand over the records."""

    def __init__(
        self,
        topics: FollowedTopics,
        pool: Pool,
        books: Books,
        judge: Callable[[], Judge],
        publisher: Publisher,
        catch_up: CatchUp,
        overdue: Overdue | None = None,
    ) -> None:
        self.overdue = overdue or Overdue()
        self._topics = topics
        self._pool = pool
        self._books = books
        self._judge = judge
        self._publisher = publisher
        self._catch_up = catch_up
        self._left: dict[LogPartition, int] = {}
        self._catching: asyncio.Future[None] | None = None
        self._proved = time.monotonic()
        self._short: set[int] = set()
        self._ended_early = False
        self._oldest: int | None = None
        self._wrong: dict[str, _Trouble] = {}

    async def prove(self) -> None:
        """Prove that Keytrail wrote every row. Raises RowsChanged, JudgedElsewhere, INTERRUPTED."""
        async with self._pool.acquire() as connection:
            await proof.check(connection, self._books)
        self._proved = time.monotonic()

    async def look(self) -> None:
        """Count the records of every partition that are not judged: a worker also reports those of another worker. Raises
        RowsChanged, JudgedElsewhere, INTERRUPTED."""
        late = time.monotonic() - self._proved > self.overdue.proof
        summary = (
            f"what was counted was not proved for {self.overdue.proof:.0f} s: somebody may hold a lock in Postgres"
        )
        await self._tell_while(PROOF, summary if late else "", 0)
        summary = (
            f"what was counted is not sealed under the key of records that is used now, for {self.overdue.key:.0f} s"
        )
        await self._tell_while(KEY, summary if rotation.is_due(self._books) else "", self.overdue.key)
        least = self._judge().settings.numbers_of(alerts_behind.RULE)[alerts_behind.LAG]
        try:
            async with asyncio.timeout(self.overdue.read):
                reached = await positions.standing(self._pool, self._books)
                oldest = await unjudged.oldest_position(self._pool)
        except INTERRUPTED as fault:
            summary = f"Postgres has not said for {least} s how far the log is judged, so nothing is: {fault!r}"
            await self._tell_while(LAGS, summary, least)
            return
        await self._look_at_policies(oldest)
        try:
            there = {(EVENTS, 0): await self._topics.events.end()}
            found = await ends_of(self._topics)
        except Unavailable:
            return
        there |= {(DECISIONS, partition): end for partition, end in found.items()}
        left = {part: max(0, end - reached.get(part, JudgedUpTo()).next) for part, end in there.items()}
        for topic in (EVENTS, DECISIONS):
            ALERTS_LAG.labels(topic).set(sum(count for part, count in left.items() if part[0] == topic))
        ALERTS_AT.set_to_current_time()  # where Postgres or Kafka says nothing, the lag stands still, and so does this
        stuck = [part for part in there if left[part] and self._left.get(part) == reached.get(part, JudgedUpTo()).next]
        ends_early = there[EVENTS, 0] < reached.get((EVENTS, 0), JudgedUpTo()).next
        if ends_early and self._ended_early:  # not one look's race: whoever reads on finds what is lost, and says so
            stuck.append((EVENTS, 0))
        self._ended_early = ends_early
        if stuck and (self._catching is None or self._catching.done()):
            self._catching = asyncio.ensure_future(self._catch_up([(part, there[part]) for part in stuck]))
        self._left = {part: reached.get(part, JudgedUpTo()).next for part in there}
        await self._look_at_ends(reached, found)
        count = sum(left.values())
        summary = f"{count} records are not judged, and some have not been for {least} s or more"
        await self._tell_while(LAGS, summary if count else "", least)

    async def _look_at_ends(self, reached: Mapping[LogPartition, JudgedUpTo], found: Mapping[int, int]) -> None:
        """Raises RowsChanged if a partition of decisions ends before what was judged of it, at two looks in a row: the next
        records would count as judged."""
        short = {
            partition
            for partition, end in found.items()
            if end < reached.get((DECISIONS, partition), JudgedUpTo()).next
        }
        for partition in sorted(short & self._short):
            kept = reached[(DECISIONS, partition)]
            summary = f"decisions/{partition} ends before @{kept.next - 1}, which was judged"
            await self._publisher.publish_break(
                self._judge(), f"{DECISIONS}/{partition} {kept.next} {kept.digest}", summary
            )
            raise RowsChanged(summary)
        self._short = short

    async def _look_at_policies(self, oldest: int | None) -> None:
        """The oldest policy is taken first. If the same one stays the oldest, no worker can take it."""
        if oldest != self._oldest:
            self._oldest = oldest
            self._wrong.pop(POLICY, None)
        summary = f"the policy at @{oldest} has waited {self.overdue.policy:.0f} s for being judged to the end"
        await self._tell_while(POLICY, summary if oldest is not None else "", self.overdue.policy)

    async def _tell_while(self, what: str, summary: str, least: float) -> None:
        """Report a trouble that has lasted for `least` seconds, and again once an hour. An empty summary means that it is
        over."""
        if not summary:
            self._wrong.pop(what, None)
            return
        now = time.monotonic()
        wrong = self._wrong.setdefault(what, _Trouble(now))
        if now - wrong.since < least or now - wrong.told < TELL_EVERY:
            return
        log.error("rules do not judge as they should", what=summary)
        moment = time.time_ns() // 1000
        where = f"{what}~{moment // HOUR_MICROS}"  # once an hour, whichever worker reports it
        health = Health(alerts_behind.RULE, where, moment, summary)
        await self._publisher.publish(self._judge().of_health(health))
        wrong.told = now
