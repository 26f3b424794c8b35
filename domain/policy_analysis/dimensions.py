"""The dimensions along which requests are cut, and boxes of requests by the names of their dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from domain.policy.conditions import Test
from domain.policy_analysis.boxes import Box

T = TypeVar("T")
EITHER = 3
"""The bits of a condition that may hold or not."""
CALLER, ACTION, RESOURCE = "caller", "action", "resource"
CALLER_AT, ACTION_AT, RESOURCE_AT = range(3)
"""Places in a box, for the dimensions that every space has. Those of condition keys follow, then those of opaque conditions."""


@dataclass(frozen=True, slots=True)
class OpaqueTest:
    """A condition that is not cut into cases, with the reason and the statements that have it."""

    operator: str
    key: str
    wanted: tuple[str, ...]
    why: str
    by: dict[str, Any]

    def document(self) -> dict[str, Any]:
        condition = {"operator": self.operator, "key": self.key, "wanted": list(self.wanted)}
        return {"by": self.by, "condition": condition, "why": self.why}


@dataclass(slots=True)
class Dimension:
    """For a condition key `members` are cases; for the other dimensions, the callers, names or ARNs of each case."""

    name: str
    members: Sequence[Any]
    tests: Sequence[Test] = ()

    @property
    def whole(self) -> int:
        return (1 << len(self.members)) - 1


def one_of(case: Sequence[T]) -> T:
    """Any member of a case: what is true of one is true of all."""
    return case[0]


def with_bits(box: Sequence[int], place: int, bits: int) -> Box:
    """The box with other bits in one dimension."""
    return (*box[:place], bits, *box[place + 1 :])


def bits_of(each: Iterable[bool]) -> int:
    """The set of the places that are true."""
    return sum(1 << at for at, holds in enumerate(each) if holds)
