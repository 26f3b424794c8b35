"""Strangers' work waits here for its turn: it gets a small share of each turn of the loop, one address after the other.

A stranger's connections and bytes cost time before anybody knows who sends them. If all were taken in as they come, a call on a
known connection would wait for all of them, and so would a client that has just connected. So strangers have `SHARE` of each
turn of the loop. The rest waits, and is taken from each address in turn. An address that has had less than `QUANTUM` since it
came is before the others. So a client that asks for little, a connection and a call on it, does not wait for many addresses that
ask for all there is (as new flows come first in RFC 8290, section 4.2).

A call takes a dozen turns of the loop, so a share of each turn is not enough while callers are answered. As long as a known
client's call is under way (`busy`), strangers have `RATE` of the time, and wait for the time that they used beyond it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

SHARE = 0.002
"""Seconds of each turn of the loop."""
RATE = 0.4
"""The part of the time that strangers have while a known client's call is under way."""
QUANTUM = 0.002
"""Seconds that an address may use before it goes to the end of the queue."""
MOST_NEW = 4096
"""How many addresses are remembered while they ask for nothing."""

WaitingWork = Callable[[], float | None]
"""Work that is done in its turn. It returns how many seconds it will cost later."""


class WaitingRoom:
    """The waiting room of one worker."""

    def __init__(self) -> None:
        # By address, in the order of their turns; one of `_old` may be empty, and is then forgotten in its turn.
        self._new: dict[str, deque[WaitingWork]] = {}
        self._old: dict[str, deque[WaitingWork]] = {}
        self._used: dict[str, float] = {}
        """The time that each address has used, while it counts as new."""
        self._waiting = 0
        self.busy = 0
        """Calls of known clients that are under way."""
        self._spent = 0.0
        self._settled = 0.0
        """When `_spent` was last reduced by the time that had passed."""
        self._due = False

    @property
    def is_free(self) -> bool:
        """Whether a stranger need not wait."""
        if self._waiting:
            return False
        if self._spent >= SHARE and self.busy:
            self._settle()
        return self._spent < SHARE

    def spend(self, work: WaitingWork) -> None:
        """Do the work at once."""
        began = time.perf_counter()
        later = work()
        self._spent += time.perf_counter() - began + (later or 0.0)
        self._call_again()

    def wait(self, group: str, work: WaitingWork) -> None:
        queue = self._new.get(group)
        if queue is None:
            queue = self._old.get(group)
        if queue is None:
            queue = self._new[group] = deque()
        queue.append(work)
        self._waiting += 1
        self._call_again()

    def _settle(self) -> None:
        now = time.perf_counter()
        self._spent = max(0.0, self._spent - (now - self._settled) * RATE) if self.busy else 0.0
        self._settled = now

    def _call_again(self) -> None:
        if self._due:
            return
        self._due = True
        loop = asyncio.get_running_loop()
        if self.busy and self._spent > SHARE:
            loop.call_later((self._spent - SHARE / 2) / RATE, self._turn)
        else:
            loop.call_soon(self._turn)

    def _turn(self) -> None:
        """The next turn of the loop, or when strangers may go on."""
        self._due = False
        self._settle()
        while self._waiting and self._spent < SHARE:
            there = self._new or self._old
            group, queue = next(iter(there.items()))
            del there[group]
            if not queue:
                continue
            self._waiting -= 1
            before = self._spent
            self.spend(queue.popleft())
            used = QUANTUM if there is self._old else self._used.pop(group, 0.0) + self._spent - before
            if used < QUANTUM:
                self._keep(group, used)
                if queue:
                    self._new[group] = queue
            else:
                self._old[group] = queue  # after the others
        if self._waiting:
            self._call_again()
        else:
            self._old.clear()
            self._used.clear()

    def _keep(self, group: str, used: float) -> None:
        self._used[group] = used
        if len(self._used) > MOST_NEW:
            del self._used[next(iter(self._used))]
