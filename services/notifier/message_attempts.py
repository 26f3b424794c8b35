"""When a message is given up: it has waited long enough, and this process has really tried it for some minutes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from services.notifier.delivery import APPRISE_PATIENCE, PATIENCE
from services.notifier.outbox import Waiting

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
LONGEST_STEP = max(PATIENCE, APPRISE_PATIENCE) + LONGEST_WAIT
"""Seconds from one attempt to the next, at most. If more passed, nothing was tried: the process stood still, or Postgres was
away."""
SURELY_TRIED = 300.0
"""Seconds for which this process has tried a message before it gives it up. Less where `give_up_after` is less."""


def pause(attempts: int) -> float:
    """Seconds until the next attempt: twice as long each time, up to half a minute, and never in step with others."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempts, 10)) * random.uniform(0.75, 1.0)  # noqa: S311  # no secret


class MessageAttempts:
    """The attempts that this process has made. Only the task that delivers uses it.

    The time since a message was written is not enough to give it up. All of that time, the notifier may have been off; then the
    first failure after a start, when perhaps DNS or the receiver is not there yet, would give up one old message after another.

    Nor is an answer enough that seems final, such as 400: a wrong clock or secret makes a receiver give it to every message. So
    once the next message has been tried for some minutes, those behind it are tried in turn with it. If one of them is taken,
    the fault lies with the message and not with the receiver, and it is given up when it fails once more.
    """

    def __init__(self, give_up_after: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._give_up_after, self._clock = give_up_after, clock
        self._next: tuple[int, int] | None = None
        self._now: tuple[int, int] | None = None
        """The next message, and the one that is tried now or was tried last."""
        self._made: dict[tuple[int, int], int] = {}
        """Attempts at each that failed."""
        self._tried = self._last = 0.0
        self._place = 0
        """The place of the latter behind the former; 0 for the next message itself."""
        self._turn = 0
        """The last place behind it that was tried."""
        self._passed = False
        """Whether a message behind it was taken."""

    @property
    def made(self) -> int:
        """How often the message that is tried now was tried before."""
        return self._made.get(self._now, 0) if self._now is not None else 0

    def begin(self, waiting: Waiting) -> None:
        """An attempt at the next message begins."""
        now, key = self._clock(), (waiting.times, waiting.number)
        if self._next == key:
            self._tried += min(now - self._last, LONGEST_STEP)
        else:
            self._next, self._tried, self._turn, self._passed = key, 0.0, 0, False
            self._made = {each: made for each, made in self._made.items() if each >= key}
        self._now, self._last, self._place = key, now, 0

    def place_behind(self, waiting: Waiting) -> int:
        """Which message to try instead of this one, the next: its place behind it. 0: try the next one itself."""
        known = self._next == (waiting.times, waiting.number)
        return self._turn + 1 if known and not self._place and not self._passed and self._surely_tried else 0

    def begin_behind(self, waiting: Waiting, place: int) -> None:
        """An attempt begins at the message that waits at this place behind the next one."""
        self._now = waiting.times, waiting.number
        self._place = self._turn = place

    def none_behind(self) -> None:
        """No message waits at that place: when it is their turn again, the first one behind is tried."""
        self._turn = 0

    def failed(self) -> float:
        """The attempt failed. Returns how many seconds to wait before the next one, of whichever message."""
        assert self._next is not None, "an attempt was begun"
        assert self._now is not None, "an attempt was begun"
        self._made[self._now] = self.made + 1
        return pause(max(0, self._made.get(self._next, 0) - 1))

    def taken(self) -> None:
        """The attempt succeeded."""
        self._passed = self._place > 0

    @property
    def _surely_tried(self) -> bool:
        return self._tried >= min(self._give_up_after, SURELY_TRIED)

    def enough(self, since: datetime, now: datetime) -> bool:
        """Whether a message that has waited since then is given up if this attempt fails. A clock that was set back, so that
        `since` is in the future, does not keep it for longer than this process may try it."""
        if self._place:
            return False
        waited = max(now - since, timedelta(seconds=self._tried))
        return self._surely_tried and (self._passed or waited > timedelta(seconds=self._give_up_after))
