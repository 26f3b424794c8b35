"""Sets of requests as boxes: in each dimension a set of cases, held in the bits of an integer.

Every operation is exact, since every dimension is finite. A union of boxes is a list of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from domain.policy_analysis.budget import spend
from domain.policy_analysis.words import TooMany

MOST_BOXES = 2_000
Box = tuple[int, ...]


def common(one: Box, other: Box) -> Box | None:
    """What both boxes cover; None if nothing."""
    both = tuple(mine & its for mine, its in zip(one, other, strict=True))
    return both if all(both) else None


def minus(box: Box, other: Box) -> Iterator[Box]:
    """What `box` covers and `other` does not, as boxes without a common request."""
    if any(not mine & its for mine, its in zip(box, other, strict=True)):
        yield box
        return
    rest = list(box)
    for at, its in enumerate(other):
        outside = rest[at] & ~its
        if outside:
            yield (*rest[:at], outside, *rest[at + 1 :])
            rest[at] &= its


def _steps(boxes: int, box: Box) -> int:
    """The steps for one box and so many others: one step for every six dimensions."""
    return 1 + boxes * (12 + len(box)) // 6


def subtract(boxes: Iterable[Box], others: Sequence[Box]) -> list[Box]:
    """Raises TooMany."""
    left = list(boxes)
    for other in others:
        spend(_steps(len(left), other))
        left = [piece for box in left for piece in minus(box, other)]
        if len(left) > MOST_BOXES:
            raise TooMany(f"their difference falls into more than {MOST_BOXES} parts")
        if not left:
            break
    return left


def within(boxes: Iterable[Box], others: Sequence[Box]) -> list[Box]:
    """What the boxes cover of the others. Raises TooMany."""
    found: list[Box] = []
    for box in boxes:
        spend(_steps(len(others), box))
        found += [both for other in others if (both := common(box, other)) is not None]
    if len(found) > MOST_BOXES:
        raise TooMany(f"what they have in common falls into more than {MOST_BOXES} parts")
    return found


def apart(boxes: Sequence[Box]) -> list[Box]:
    """The same set as boxes without a common request. Raises TooMany."""
    found: list[Box] = []
    for box in boxes:
        found += subtract([box], found)
        if len(found) > MOST_BOXES:
            raise TooMany(f"it falls into more than {MOST_BOXES} parts")
    return found


def merged(boxes: Iterable[Box]) -> list[Box]:
    """The same set in fewer boxes: two boxes that differ in only one dimension become one."""
    found = list(dict.fromkeys(boxes))
    for at in range(len(found[0]) if found else 0):
        spend(_steps(len(found), found[0]))
        joined: dict[tuple[int, ...], int] = {}
        for box in found:
            rest = (*box[:at], *box[at + 1 :])
            joined[rest] = joined.get(rest, 0) | box[at]
        found = [(*rest[:at], bits, *rest[at:]) for rest, bits in joined.items()]
    return found
