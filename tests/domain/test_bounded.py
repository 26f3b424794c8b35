"""Collections that remember many things and forget the oldest when there are too many."""

from __future__ import annotations

from services.bounded import forget_oldest


def test_the_older_half_goes_once_there_is_too_much() -> None:
    held = dict.fromkeys(range(10))
    forget_oldest(held, 10)
    assert list(held) == list(range(10))
    held[10] = None
    forget_oldest(held, 10)
    assert list(held) == [5, 6, 7, 8, 9, 10]
