"""Steps of working out what policies mean: counted, and bounded where somebody waits.

A step is about a microsecond of processor time. Steps are counted where the work is done, by how much there is to do, and
never measured: what came out of a budget once comes out of it again, on another machine and in a replay.

The budget stands in a context variable and not among the arguments, since thirty functions would hand it on and three
would ask it. No budget, no bound.
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
    """`most` steps, None for any number. `pause` is called now and then: work in a thread lets others go first by it, and
    nothing that comes out depends on it."""

    __slots__ = ("_breath", "_pause", "most", "remembered", "spent")

    def __init__(self, most: int | None, pause: Callable[[], object] | None = None) -> None:
        self.most, self.spent = most, 0
        self._pause, self._breath = pause, BREATH
        self.remembered: dict[object, bool] = {}
        """What was worked out on it already, and is not paid for again."""

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
    """What is worked out within is paid from this budget."""
    before = _CURRENT.set(budget)
    try:
        yield
    finally:
        _CURRENT.reset(before)


MOST_REMEMBERED = 10_000


def once(name: object, work: Callable[[], bool]) -> bool:
    """What `work` gives, which is worked out once on a budget; `name` stands for all that it depends on. Kept no longer than
    the budget, so that what a question costs does not depend on those before it."""
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
    """The steps of putting a test to one value: addresses are parsed each time."""
    return 20 if "IpAddress" in test.operator else 1
