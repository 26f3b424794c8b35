"""Recheck: makes every logged decision again on the state on which it was made. It must come out the same.

If it does not, it is a mismatch: the log was changed, the projections are wrong, or the evaluator decides differently now. What
is decided again is read from Postgres, so each row must also be that of a leaf of the transparency log, and each leaf have one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from domain.authorization.audience import Audience
from domain.characters import without_nul
from domain.transparency.leaf_extents import LeafExtent
from domain.transparency.order import LeafPartition
from projections.decisions import spans
from projections.decisions.spans import DecisionSpan, TimeBounds
from services.questions.decided_again import DecidedAgain, DecisionWalk
from services.questions.leaf_differences import differing_rows
from services.questions.replay import Replay
from services.questions.snapshot import Still

ReadLeaves = Callable[[], Awaitable[Mapping[LeafPartition, LeafExtent]]]
SHOWN = 100
"""How many mismatches are explained; all of them are counted."""
TOLD_EVERY = 0.25


@dataclass(slots=True)
class OfEvaluator:
    """How the decisions of one version of the evaluator came out."""

    decisions: int = 0
    cases: int = 0
    mismatches: int = 0


@dataclass(slots=True)
class Rechecked:
    audience: Audience
    evaluators: dict[int, OfEvaluator] = field(default_factory=dict)
    mismatches: list[dict[str, Any]] = field(default_factory=list)

    def take(self, each: DecidedAgain) -> None:
        version = (each.case.get("inputs") or {}).get("evaluator", 0)
        counted = self.evaluators.setdefault(version, OfEvaluator())
        counted.decisions += each.calls
        counted.cases += 1
        # The record was read from the projections, which hold another character in place of U+0000.
        reasons = without_nul(list(each.again.reasons))
        if reasons == each.case["reasons"]:
            return
        counted.mismatches += each.calls
        if len(self.mismatches) < SHOWN:
            who, own = self.audience.case(each.case)
            self.mismatches.append(
                {
                    "seen": each.seen,
                    "calls": each.calls,
                    "first": each.first.isoformat(),
                    "principal": who,
                    "operation": each.case["operation"],
                    "on_record": each.case["reasons"] if own else self.audience.reasons(each.case["reasons"]),
                    "now": reasons if own else self.audience.reasons(reasons),
                    "differences": list(each.again.differences) if own else [],
                }
            )


async def recheck(
    still: Still, region: str, times: TimeBounds, audience: Audience, read_leaves: ReadLeaves | None
) -> AsyncIterator[dict[str, Any]]:
    """Yields `{"done", "of"}` now and then, and `{"result"}` at the end. `read_leaves`: where there is a transparency log, reads
    which records are its leaves; every row is compared with them, whatever the times."""
    log, last = still.log, still.last
    since = times[0]
    total = await spans.all_counted(log, times)
    first = -1 if since is None else await spans.first_seen_since(log, since)
    gaps = [gap for row in await spans.partitions(log) if (gap := _gap(row)) is not None]
    found = Rechecked(audience)
    done, told = 0, time.monotonic()
    if first is not None:
        replay = await Replay.begin(log, region, min(first, still.history), last)
        span = DecisionSpan(first - 1 if since is not None else -2, last, times)
        async for each in DecisionWalk(log, replay).walk(span):
            found.take(each)
            done += each.calls
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                yield {"done": done, "of": total}
    mismatches = sum(each.mismatches for each in found.evaluators.values())
    yield {
        "result": {
            "decisions": done,
            "mismatches": mismatches,
            "evaluators": [
                {
                    "evaluator": version,
                    "decisions": each.decisions,
                    "decided": each.cases,
                    "mismatches": each.mismatches,
                }
                for version, each in sorted(found.evaluators.items())
            ],
            "explained": found.mismatches,
            "gaps": gaps,
            "leaves": None if read_leaves is None else asdict(await differing_rows(log, await read_leaves())),
        }
    }


def _gap(row: Any) -> dict[str, Any] | None:
    """The missing records of a partition of `decisions`: they cannot be rechecked."""
    missing = row["last"] + 1 - row["records"]
    if not missing:
        return None
    return {"partition": row["origin"], "missing": missing, "first": row["first"], "last": row["last"]}
