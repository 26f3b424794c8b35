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
    """The attempts that this process has made at the message that is next. Only the task that delivers uses it.

    The time since a message was written is not enough to give it up. All of that time, the notifier may have been off; then the
    first failure after a start, when perhaps DNS or the receiver is not there yet, would give up one old message after another.
    """

    def __init__(self, give_up_after: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._give_up_after, self._clock = give_up_after, clock
        self._message: tuple[int, int] | None = None
        self.made = 0
        self._tried = self._last = 0.0

    def begin(self, waiting: Waiting) -> None:
        """An attempt begins."""
        now = self._clock()
        if self._message == (waiting.times, waiting.number):
            self._tried += min(now - self._last, LONGEST_STEP)
        else:
            self._message, self.made, self._tried = (waiting.times, waiting.number), 0, 0.0
        self._last = now

    def failed(self) -> float:
        """The attempt failed. Returns how many seconds to wait before the next one, of whichever message."""
        self.made += 1
        return pause(self.made - 1)

    def enough(self, since: datetime, now: datetime) -> bool:
        """Whether a message that has waited since then is given up if this attempt fails. A clock that was set back, so that
        `since` is in the future, does not keep it for longer than this process may try it."""
        waited = max(now - since, timedelta(seconds=self._tried))
        return self._tried >= min(self._give_up_after, SURELY_TRIED) and waited > timedelta(seconds=self._give_up_after)
