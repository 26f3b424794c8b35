"""Counted steps are those of the work alone, whatever other tests left in the process."""

from __future__ import annotations

import gc

from tests.attacks.counted import steps


class _Left:
    """Something that another test left in a circle: only the collector finds it."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        _finalized.append(1)


_finalized: list[int] = []


def _work() -> list[list[int]]:
    return [[number] for number in range(2000)]  # more than the collector lets come into being before it looks


def test_what_other_tests_left_is_not_counted() -> None:
    """A refusal came out 15 percent dearer than another one: the collector ran in the middle of it."""
    alone = steps(_work)
    gc.collect()  # so that it does not work before the steps are counted
    _Left()
    assert (steps(_work), _finalized) == (alone, [])
    gc.collect()
    assert _finalized == [1]
