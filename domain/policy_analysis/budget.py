"""Counts the steps of working out what policies mean, and limits them if somebody waits.

A step takes about a microsecond of processor time. Steps follow from the amount of work and are never measured. So a result
that came out of a budget once comes out of it again, on another machine and in a replay.

The budget is in a context variable and not among the arguments, since thirty functions would pass it on and three would use
it. Without a budget there is no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from domain.policy.conditions import Test

BREATH = 2_000
"""Steps between two pauses."""


class OutOfSteps(Exception):
    """The budget ended before the work did, so its result is not known."""


class Budget:
    """`most` steps, None for any number. `pause` is called now and then, so that work in a thread lets others go first; no
    result depends on it."""

    __slots__ = ("_breath", "_pause", "most", "remembered", "spent")

    def __init__(self, most: int | None, pause: Callable[[], object] | None = None) -> None:
        self.most, self.spent = most, 0
        self._pause, self._breath = pause, BREATH
        self.remembered: dict[object, bool] = {}
        """What was worked out on this budget already, and is not paid for again."""

    def spend(self, steps: int) -> None:
        """Raises OutOfSteps."""
        self.spent += steps
        if self.most is not None and self.spent > self.most:
            raise OutOfSteps
        if self._pause is not None and self.spent >= self._breath:
            self._breath = self.spent + BREATH
            self._pause()


_CURRENT: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def spending(budget: Budget | None) -> Iterator[None]:
    """Work inside the block is paid from this budget."""
    before = _CURRENT.set(budget)
    try:
        yield
    finally:
        _CURRENT.reset(before)


MOST_REMEMBERED = 10_000


def once(name: object, work: Callable[[], bool]) -> bool:
    """The result of `work`, which runs once on a budget; `name` identifies everything that the result depends on. Results
    are kept no longer than the budget, so the cost of a question does not depend on earlier questions."""
    budget = _CURRENT.get()
    if budget is None:
        return work()
    found = budget.remembered.get(name)
    if found is None:
        found = work()
        if len(budget.remembered) < MOST_REMEMBERED:
            budget.remembered[name] = found
    return found


def spend(steps: int) -> None:
    """Raises OutOfSteps."""
    budget = _CURRENT.get()
    if budget is not None:
        budget.spend(steps)


def steps_of(test: Test) -> int:
    """The steps of applying a test to one value: addresses are parsed each time."""
    return 20 if "IpAddress" in test.operator else 1
