"""Whether notifiers make progress. This is watched without Postgres: anybody who may connect there can hold a lock for ever,
and code that waits for the lock logs nothing, or a warning now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from domain.ports import Topic, Unavailable
from services.adapters.postgres import INTERRUPTED
from services.logs import logger_of
from services.metrics import NOTIFIERS_LAG, NOTIFIERS_STUCK
from services.notifier import outbox

log = logger_of("notifier")

LOOK_EVERY, SAY_EVERY = 5.0, 60.0
STUCK = 120.0
"""A notifier is stuck if for this many seconds it failed to take in alerts, did not learn which message is next, or stayed at
one place before the end of the topic. A receiver that does not answer delays it for less time (delivery.py)."""
UNPROVED = 900.0
"""A notifier is stuck, too, if for this many seconds it did not prove its rows. It begins a proof at most five minutes after the
last one (services/runtime/processes.py), and a proof may take minutes."""


class NotifierProgress:
    """When one notifier last took in what there was, last learned which message is next, and last proved what it holds."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self.next_offset = -1
        """The offset of the next alert that it takes in; -1 while that is not known."""
        self._moved = self._took_in = self._asked = self._proved = clock()

    def took_in(self, next_offset: int) -> None:
        self._took_in = self._clock()
        if next_offset != self.next_offset:
            self.next_offset, self._moved = next_offset, self._took_in

    def asked(self) -> None:
        self._asked = self._clock()

    def proved(self) -> None:
        self._proved = self._clock()

    def lag(self, end: int) -> int:
        """How many alerts it has not taken in, of a topic that ends at `end`."""
        return max(0, end - max(0, self.next_offset))

    def faults(self, end: int | None) -> list[str]:
        """What keeps it from sending. `end` is the end of the topic; None if Kafka does not answer."""
        now = self._clock()
        if end is not None and not self.lag(end):
            self._moved = now
        found = []
        if now - self._took_in > STUCK or (end is not None and now - self._moved > STUCK):
            found.append("it takes in no alerts")
        if now - self._asked > STUCK:
            found.append("it does not learn which message is next")
        if now - self._proved > UNPROVED:
            found.append("what it holds is not proved")
        return found


class ProgressWatch:
    """Watches all notifiers. While something is wrong, it logs an error once a minute."""

    def __init__(
        self, topic: Topic, progresses: Sequence[NotifierProgress], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._topic, self._progresses, self._clock = topic, progresses, clock
        self._said: dict[str, float] = {}

    async def look(self) -> None:
        try:
            end: int | None = await self._topic.end()
        except Unavailable:
            end = None  # the reader of the topic logs that
        stuck = 0
        for each in self._progresses:
            faults = each.faults(end)
            stuck += bool(faults)
            if not faults:
                self._said.pop(each.name, None)
            elif self._clock() - self._said.get(each.name, -SAY_EVERY) >= SAY_EVERY:
                self._said[each.name] = self._clock()
                log.error(
                    "a notifier is stuck, and alerts may be told to nobody: somebody may hold a lock in Postgres",
                    notifier=each.name,
                    what=faults,
                    lag=None if end is None else each.lag(end),
                )
        NOTIFIERS_STUCK.set(stuck)
        if end is not None:
            NOTIFIERS_LAG.set(max(each.lag(end) for each in self._progresses))

    async def keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)


class Kept(Protocol):
    """A notifier's mark where Postgres cannot reach it."""

    async def kept_at(self) -> datetime | None:
        """When a notifier last kept it; None if no notifier did. Raises Unavailable."""
        ...


class StandBy:
    """What a notifier does while it stands by for another one. Anybody may hold the lock that it waits for. But a notifier at
    work proves its rows, and renews its marks on Kafka each time."""

    def __init__(
        self,
        marks: Sequence[Kept],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = outbox.now,
    ) -> None:
        self._marks, self._clock, self._now = marks, clock, now
        self._began: float | None = None
        self._next = 0.0

    async def look(self) -> None:
        """Look once. Raises nothing: it must go on waiting."""
        at = self._clock()
        if self._began is None:
            self._began, self._next = at, at + SAY_EVERY  # a notifier that has just begun proves its rows first
        if not self._marks or at < self._next:
            return
        self._next = at + SAY_EVERY
        try:
            kept = [found for each in self._marks if (found := await each.kept_at()) is not None]
        except INTERRUPTED as fault:
            log.warning("whether the other notifier is at work cannot be read from Kafka", reason=repr(fault))
            return
        # A mark far in the future is no sign of work: somebody kept it before the clock was set back.
        at_work = any(abs(self._now() - each) <= timedelta(seconds=UNPROVED) for each in kept)
        if at_work or (not kept and at - self._began <= UNPROVED):
            return
        log.error(
            "this notifier stands by for another one, and nothing on Kafka says that another one is at work: alerts may be "
            "told to nobody. Look who holds the advisory lock (pg_locks), and end that session",
            last_at_work=max(kept).isoformat() if kept else None,
            minutes=round((at - self._began) / 60),
        )
