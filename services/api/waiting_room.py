"""What strangers ask of the loop waits here for its turn: a little of each turn of the loop is theirs, one address after the
other.

A stranger's connections and bytes cost time before anybody knows who sends them. Were they all taken in as they come, a call
on a known connection would wait for all of them, and so would a client that has just connected. So strangers have `SHARE` of
each turn of the loop; what is left over waits, and is taken from each address in turn. An address that has not had a turn for
a round comes before those that had: whoever asks for little does not wait for many addresses that ask for all there is (as new
flows come first in RFC 8290, section 4.2).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

SHARE = 0.002
"""Seconds of each turn of the loop."""

Work = Callable[[], float | None]
"""Done when its turn comes. What it returns is what it costs later, in seconds."""


class WaitingRoom:
    """One for each worker."""

    def __init__(self) -> None:
        # By address, in the order of their turns; one of `_old` may be empty, and is then forgotten at its turn.
        self._new: dict[str, deque[Work]] = {}
        self._old: dict[str, deque[Work]] = {}
        self._waiting = 0
        self._spent = 0.0
        self._due = False

    @property
    def is_free(self) -> bool:
        """Whether a stranger need not wait."""
        return self._spent < SHARE and not self._waiting

    def spend(self, work: Work) -> None:
        """Do it at once."""
        began = time.perf_counter()
        later = work()
        self._spent += time.perf_counter() - began + (later or 0.0)
        self._call_again()

    def wait(self, group: str, work: Work) -> None:
        queue = self._new.get(group)
        if queue is None:
            queue = self._old.get(group)
        if queue is None:
            queue = self._new[group] = deque()
        queue.append(work)
        self._waiting += 1
        self._call_again()

    def _call_again(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """The next turn of the loop."""
        self._due = False
        self._spent = 0.0
        while self._waiting and self._spent < SHARE:
            there = self._new or self._old
            group, queue = next(iter(there.items()))
            del there[group]
            if queue:
                self._old[group] = queue  # behind the others
                self._waiting -= 1
                self.spend(queue.popleft())
        if self._waiting:
            self._call_again()
        else:
            self._old.clear()
