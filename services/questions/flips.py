"""Groups the calls that a draft would answer differently by caller, operation, effect and decider, and reports them as found.

`questions/what_if.py` weighs the calls of our own log, `trails/what_if.py` those of a trail.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.cloudtrail.judge import UNKNOWN
from projections.decisions import spans
from projections.log.schema import AskedLog
from services.rendering import utc

TOLD_EVERY = 0.25
"""Seconds between two reports."""


class Flip(NamedTuple):
    """`effect` and `decided_by` are those under the draft."""

    principal: str
    operation: str
    effect: str
    decided_by: str


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What a draft does to calls. `flip` is None if the effect is unknown and nothing more can be said. `shown`: what the group
    of these calls shows besides their number and times."""

    flip: Flip | None
    shown: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Weighed:
    """The calls of one case at the positions from `seen` to `until`. `otherwise` is None if the draft changes nothing.

    `through`: every decision at a position up to this one has been weighed before."""

    seen: int
    until: int
    case: bytes
    calls: int
    first: datetime
    last: datetime
    through: int
    otherwise: Otherwise | None


@dataclass(slots=True)
class _Flipped:
    calls: int
    first: datetime
    last: datetime
    seen: int
    shown: Mapping[str, Any]

    def take(self, each: Weighed) -> None:
        self.calls += each.calls
        self.first = min(self.first, each.first)
        self.last = max(self.last, each.last)


CountBeside = Callable[[int], Awaitable[int]]
"""Counts the calls, up to a position, that need not be weighed and are not counted yet."""


async def none_beside(position: int) -> int:
    return 0


async def told(
    log: AskedLog, weighed: AsyncIterator[Weighed], beside: CountBeside, last: int, total: int | None, *, calls: bool
) -> AsyncIterator[dict[str, Any]]:
    """Yields `{"done", "of", "through", "result"}` now and then, the last with `end`; with `calls`, also `{"flipped"}` for each
    call that comes out differently. `total` is the number of calls; None if they were not counted before."""
    flips: dict[Flip, _Flipped] = {}
    done, unknown, reported, behind = 0, 0, time.monotonic(), -2
    async for each in weighed:
        if each.through > behind and time.monotonic() - reported > TOLD_EVERY:
            reported = time.monotonic()
            done += await beside(each.through)
            yield {"done": done, "of": total, "through": each.through, "result": _result(flips, done, unknown)}
        behind = each.through
        done += each.calls
        if each.otherwise is None:
            continue
        flip = each.otherwise.flip
        if flip is None or flip.effect == UNKNOWN:
            unknown += each.calls
        if flip is None:
            continue
        if calls and flip.effect != UNKNOWN:
            for row in await spans.calls_of(log, each.case, each.seen, each.until, each.first, each.last):
                yield {"flipped": {"call_id": row["call_id"], "at": utc(row["at"])} | flip._asdict()}
        if flip in flips:
            flips[flip].take(each)
        else:
            flips[flip] = _Flipped(each.calls, each.first, each.last, each.seen, each.otherwise.shown)
    # All were counted in the same snapshot: those that need not be weighed are the rest, and another count of them would take as
    # long as the weighing.
    done = done + await beside(last) if total is None else total
    result = _result(flips, done, unknown)
    yield {"done": done, "of": done, "through": last, "end": True, "result": result}


def _result(flips: Mapping[Flip, _Flipped], done: int, unknown: int) -> dict[str, Any]:
    """`unknown`: how many calls need a permission that was never checked, or are a trail's calls whose effect is unknown."""
    groups = [
        {
            **flip._asdict(),
            "calls": found.calls,
            "first": utc(found.first),
            "last": utc(found.last),
            "seen": found.seen,
            **found.shown,
        }
        for flip, found in sorted(flips.items(), key=lambda each: -each[1].calls)
    ]
    flipped = sum(found.calls for flip, found in flips.items() if flip.effect != UNKNOWN)
    return {"decisions": done, "flipped": flipped, "unknown": unknown, "groups": groups}


def decider_in_words(by: Mapping[str, Any]) -> str:
    """Says in words what decided: a rule, a grant or a statement."""
    if "rule" in by:
        return str(by["rule"])
    if "grant" in by:
        return f"grant {by['grant']}"
    return f"{by.get('policy', '')} statement {by.get('index')}" + (f" {by['sid']!r}" if by.get("sid") else "")
