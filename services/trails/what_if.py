"""What a draft would have done to a trail's calls, on what the trail knows: flipped, or not known and what is missing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.cloudtrail.judge import ALLOWED, UNKNOWN, Judgement
from domain.cloudtrail.record import ACCESS_DENIED
from services.questions.decided_again import Times, within
from services.questions.drafts import Draft
from services.questions.replay import Replay
from services.questions.what_if import TOLD_EVERY, in_words
from services.rendering import utc
from services.trails.judged_calls import Judging, again, evidence_in

GROUPS = """
SELECT seen, case_id, count(*) AS calls, min(at) AS first, max(at) AS last FROM p_decisions.decisions
WHERE seen > $1 AND seen <= $2 AND case_id IS NOT NULL {where} GROUP BY seen, case_id ORDER BY seen, case_id
"""
FIRST = """
SELECT min(seen) FROM p_decisions.decisions WHERE seen > $1 AND seen <= $2 AND case_id IS NOT NULL {where}
"""
# A trail has many Regions: an event names the one that the next keys are made in.
REGION = """
SELECT event->>'region' FROM p_decisions.decisions
WHERE position <= $1 AND event_type LIKE 'log.created.%' ORDER BY position DESC LIMIT 1
"""
CALLS = """
SELECT call_id, at FROM p_decisions.decisions WHERE seen = $1 AND case_id = $2 AND at >= $3 AND at <= $4 ORDER BY at, record
"""
FETCHED = 1_000


@dataclass(slots=True)
class _Group:
    calls: int
    first: datetime
    last: datetime
    seen: int
    now: dict[str, Any]
    missing: tuple[str, ...]

    def document(self, name: tuple[str, ...]) -> dict[str, Any]:
        principal, operation, effect, by = name
        return {
            "principal": principal,
            "operation": operation,
            "effect": effect,
            "decided_by": by,
            "calls": self.calls,
            "first": utc(self.first),
            "last": utc(self.last),
            "seen": self.seen,
            "now": [self.now],
            "missing": list(self.missing),
        }


async def what_if(
    connection: Any, draft: Draft, last: int, times: Times, after: int | None, *, calls: bool
) -> AsyncIterator[dict[str, Any]]:
    """As services/questions/what_if.py, with groups whose effect is `unknown` beside those that flip."""
    condition, values = draft.narrowed()
    then, ends = within(times, len(values) + 3)
    condition, values = f"{condition} {then}", (*values, *ends)
    begins = -2 if after is None else after
    first = await connection.fetchval(FIRST.format(where=condition), begins, last, *values)
    region = await connection.fetchval(REGION, -1 if first is None else first) or ""
    as_it_was, drafted = [
        Judging(connection, await Replay.begin(connection, region, -1 if first is None else first, last)) for _ in "12"
    ]
    groups: dict[tuple[str, ...], _Group] = {}
    counts = {"decisions": 0, "flipped": 0, "unknown": 0}
    told = time.monotonic()
    rows = await connection.cursor(GROUPS.format(where=condition), begins, last, *values)
    before = begins
    while some := await rows.fetch(FETCHED):
        await as_it_was.fetch(some)
        await drafted.fetch(some)
        for row in some:
            if row["seen"] > before and time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                yield {
                    "done": counts["decisions"],
                    "of": None,
                    "through": row["seen"] - 1,
                    "result": _result(counts, groups),
                }
            before = row["seen"]
            counts["decisions"] += row["calls"]
            case = await as_it_was.at(row)
            await drafted.at(row)
            draft.put(drafted.world)
            found = _otherwise(case, as_it_was, drafted, row["last"])
            if found is None:
                continue
            effect = UNKNOWN if found.answer == UNKNOWN else found.answer
            counts["unknown" if effect == UNKNOWN else "flipped"] += row["calls"]
            name = (case["principal"], case["operation"], effect, _by(found))
            if calls and effect != UNKNOWN:
                for call in await connection.fetch(CALLS, row["seen"], row["case_id"], row["first"], row["last"]):
                    shown = {
                        "call_id": call["call_id"],
                        "at": utc(call["at"]),
                        "principal": name[0],
                        "operation": name[1],
                    }
                    yield {"flipped": shown | {"effect": effect, "decided_by": name[3]}}
            held = groups.get(name)
            if held is None:
                groups[name] = _Group(
                    row["calls"], row["first"], row["last"], row["seen"], dict(found.by), found.missing
                )
            else:
                held.calls += row["calls"]
                held.first, held.last = min(held.first, row["first"]), max(held.last, row["last"])
    yield {
        "done": counts["decisions"],
        "of": counts["decisions"],
        "through": last,
        "end": True,
        "result": _result(counts, groups),
    }


def _otherwise(case: dict[str, Any], as_it_was: Judging, drafted: Judging, at: datetime) -> Judgement | None:
    """What the draft makes of a call, where that is not what it was."""
    error = case["error"]
    if error and error not in ACCESS_DENIED:
        return None  # it was refused for another reason, and would be still
    evidence = None if error else evidence_in(case, as_it_was.world, at)
    was = again(case, as_it_was.world, at, evidence)
    now = again(case, drafted.world, at, evidence)
    if now.answer == was.answer and _by(now) == _by(was):
        return None
    if now.answer == UNKNOWN:
        return now
    return now if (now.answer == ALLOWED) is bool(error) else None


def _by(found: Judgement) -> str:
    """Where nothing of the caller's own policies is known, the statement that leaves it to them stands for them."""
    by = found.by
    return in_words(by if {"rule", "grant", "policy"} & by.keys() else by.get("delegation", {}))


def _result(counts: dict[str, int], groups: dict[tuple[str, ...], _Group]) -> dict[str, Any]:
    shown = [found.document(name) for name, found in sorted(groups.items(), key=lambda each: -each[1].calls)]
    return counts | {"groups": shown}
