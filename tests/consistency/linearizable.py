"""Whether a history of one register is linearizable: whether its calls can be put into one order that respects real time, and in
which each read returns what was written last.

The search is Wing and Gong's with Lowe's memory of states already seen ("Testing for linearizability", 2017), as in porcupine. It
knows nothing of the log, so it finds what a judge by the log could share with the code under test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RegisterCall:
    """`value` is what was written, or what a read returned. A write without an answer ends at infinity: it may take effect at any
    later time. (If it never does, its place is the end, where nobody sees it.)"""

    kind: Literal["read", "write"]
    value: str
    began: float
    ended: float = math.inf


def fault_in(calls: Sequence[RegisterCall], first: str) -> str:
    """ "" if the history is linearizable from a register that holds `first`. Otherwise the first call that no order explains."""
    calls = sorted(calls, key=lambda each: each.began)
    # Each moment is a call's beginning or end. At equal times, beginnings come first: then the two calls overlap.
    moments = sorted(
        [(each.began, 0, number) for number, each in enumerate(calls)]
        + [(each.ended, 1, number) for number, each in enumerate(calls)]
    )
    after, before = _linked(len(moments))
    ends = {number: place for place, (_, ending, number) in enumerate(moments, 1) if ending}
    state, done = first, 0
    seen: set[tuple[int, str]] = set()
    taken: list[tuple[int, str]] = []
    deepest, reason = -1, ""
    place = after[0]
    while after[0]:
        _, ending, number = moments[place - 1]
        if not ending:
            call = calls[number]
            new = call.value if call.kind == "write" else state
            known = (done | 1 << number, new)
            if new == call.value and known not in seen:
                seen.add(known)
                taken.append((place, state))
                state, done = new, known[0]
                _lift(after, before, place)
                _lift(after, before, ends[number])
                place = after[0]
                continue
            place = after[place]
            continue
        # The end of a call that is not yet in the order: it had to be there by now.
        if len(taken) > deepest:
            deepest = len(taken)
            late = calls[number]
            reason = f"the {late.kind} of {late.value!r} ({late.began:.3f} to {late.ended:.3f}) where {state!r} was written last"
        if not taken:
            return reason
        place, state = taken.pop()
        number = moments[place - 1][2]
        done &= ~(1 << number)
        _put_back(after, before, ends[number])
        _put_back(after, before, place)
        place = after[place]
    return ""


def _linked(count: int) -> tuple[list[int], list[int]]:
    """A doubly linked list of 1 to `count`; 0 is both its ends."""
    after = [*range(1, count + 1), 0]
    before = [count, *range(count)]
    return after, before


def _lift(after: list[int], before: list[int], place: int) -> None:
    after[before[place]] = after[place]
    before[after[place]] = before[place]


def _put_back(after: list[int], before: list[int], place: int) -> None:
    after[before[place]] = place
    before[after[place]] = place
