"""Limits the time that strangers can take from the event loop. A stranger is a client that has not authenticated a call yet.

A stranger's connections and bytes cost time before anybody knows who sends them. If the worker took them all in as they came,
calls of known clients would wait for them, and so would a client that has just connected. So strangers get `TURN_SECONDS` of
each turn of the loop. The rest of their work waits here, and the addresses take turns.

An address that has used less than `QUANTUM` goes before the others. So a client that needs little, such as one connection and
one call, does not wait for addresses that send as much as they can (RFC 8290, section 4.2, puts new flows first in the same
way).

A call takes about a dozen turns of the loop, so a limit for each turn does not protect it. While a known client's call is being
answered (`busy`), strangers get at most `BUSY_SHARE` of the time. If they have used more, their work waits until they have not.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

TURN_SECONDS = 0.002
"""Seconds of each turn of the loop that strangers get."""
BUSY_SHARE = 0.4
"""The share of the time that strangers get while a known client's call is being answered."""
QUANTUM = 0.002
"""Seconds that an address can use before it goes to the end of the queue."""
MOST_NEW = 4096
"""For how many new addresses without waiting work the used time is remembered."""

WaitingWork = Callable[[], float | None]
"""Work that is done when its turn comes. It returns how many seconds it is going to cost later; None: none."""


class WaitingRoom:
    """The waiting work of all strangers. Each worker process has one."""

    def __init__(self) -> None:
        # By address, in the order of their turns. A queue in `_old` may be empty; it is dropped when its turn comes.
        self._new: dict[str, deque[WaitingWork]] = {}
        self._old: dict[str, deque[WaitingWork]] = {}
        self._used: dict[str, float] = {}
        """The seconds that each new address has used. An address is new until it has used `QUANTUM`."""
        self._waiting = 0
        self.busy = 0
        """How many calls of known clients are being answered now."""
        self._spent = 0.0
        """Seconds that strangers have used and that are not paid off yet. Time pays them off (`_pay_off`)."""
        self._paid_at = 0.0
        """When `_spent` was last paid off."""
        self._is_scheduled = False
        """Whether the loop is going to call `_turn`."""

    @property
    def is_free(self) -> bool:
        """Whether a stranger's work can be done now, without waiting."""
        if self._waiting:
            return False
        if self._spent >= TURN_SECONDS and self.busy:
            self._pay_off()
        return self._spent < TURN_SECONDS

    def do_now(self, work: WaitingWork) -> None:
        """Do the work at once, and count its time."""
        began = time.perf_counter()
        later = work()
        self._spent += time.perf_counter() - began + (later or 0.0)
        self._schedule()

    def wait(self, group: str, work: WaitingWork) -> None:
        """Do the work when the turn of its address comes. `group`: the address, or a name for several that share a turn."""
        queue = self._new.get(group)
        if queue is None:
            queue = self._old.get(group)
        if queue is None:
            queue = self._new[group] = deque()
        queue.append(work)
        self._waiting += 1
        self._schedule()

    def _pay_off(self) -> None:
        """Reduce `_spent` by the strangers' share of the time that has passed; to 0 unless `busy`."""
        now = time.perf_counter()
        self._spent = max(0.0, self._spent - (now - self._paid_at) * BUSY_SHARE) if self.busy else 0.0
        self._paid_at = now

    def _schedule(self) -> None:
        """Have the loop call `_turn` in its next turn, or later if strangers have used more than their share."""
        if self._is_scheduled:
            return
        self._is_scheduled = True
        loop = asyncio.get_running_loop()
        if self.busy and self._spent > TURN_SECONDS:
            loop.call_later((self._spent - TURN_SECONDS / 2) / BUSY_SHARE, self._turn)
        else:
            loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Do waiting work for as long as strangers may have this turn of the loop."""
        self._is_scheduled = False
        self._pay_off()
        while self._waiting and self._spent < TURN_SECONDS:
            queues = self._new or self._old
            group, queue = next(iter(queues.items()))
            del queues[group]
            if not queue:
                continue
            self._waiting -= 1
            before = self._spent
            self.do_now(queue.popleft())
            used = QUANTUM if queues is self._old else self._used.pop(group, 0.0) + self._spent - before
            if used < QUANTUM:
                self._remember(group, used)
                if queue:
                    self._new[group] = queue
            else:
                self._old[group] = queue  # at the end
        if self._waiting:
            self._schedule()
        else:
            self._old.clear()
            self._used.clear()

    def _remember(self, group: str, used: float) -> None:
        """Remember how much a new address has used, and forget the oldest of too many."""
        self._used[group] = used
        if len(self._used) > MOST_NEW:
            del self._used[next(iter(self._used))]
