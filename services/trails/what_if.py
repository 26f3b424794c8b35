"""What a draft would have done to a trail's calls, as far as the trail knows. A call flips, or its answer is unknown and the
result says what is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from domain.cloudtrail.judge import ALLOWED, UNKNOWN, Judgement
from domain.cloudtrail.record import ACCESS_DENIED
from projections.decisions import changes, spans
from projections.decisions.spans import DecisionSpan, TimeBounds
from projections.log.schema import AskedLog
from services.questions.drafts import Draft
from services.questions.flips import Flip, Otherwise, Weighed, decider_in_words, none_beside, told
from services.questions.replay import Replay
from services.trails.judged_calls import CaseJudge, again, evidence_in

FETCHED = 1_000


async def what_if(
    log: AskedLog, draft: Draft, last: int, times: TimeBounds, after: int | None, *, calls: bool
) -> AsyncIterator[dict[str, Any]]:
    """As services/questions/what_if.py, but besides the groups that flip there are groups with the effect `unknown`."""
    span = DecisionSpan(-2 if after is None else after, last, times, await draft.whose(log))
    async for each in told(log, _weighed(log, draft, span), none_beside, last, None, calls=calls):
        yield each


async def _weighed(log: AskedLog, draft: Draft, span: DecisionSpan) -> AsyncIterator[Weighed]:
    _, first = await spans.counted(log, span)
    begin = -1 if first is None else first
    region = await changes.region_at(log, begin)
    as_it_was, drafted = [CaseJudge(log, await Replay.begin(log, region, begin, span.last)) for _ in "12"]
    rows = await spans.by_position(log, span)
    while some := await rows.fetch(FETCHED):
        await as_it_was.fetch(some)
        await drafted.fetch(some)
        for row in some:
            case = await as_it_was.at(row)
            await drafted.at(row)
            draft.put(drafted.world)
            otherwise = _otherwise(case, as_it_was, drafted, row["last"])
            yield Weighed(
                row["seen"],
                row["until"],
                row["case_id"],
                row["calls"],
                row["first"],
                row["last"],
                row["seen"] - 1,
                otherwise,
            )


def _otherwise(case: dict[str, Any], as_it_was: CaseJudge, drafted: CaseJudge, at: datetime) -> Otherwise | None:
    """How the draft answers a call, if it answers it differently."""
    error = case["error"]
    if error and error not in ACCESS_DENIED:
        return None  # it was refused for another reason, and still would be
    evidence = None if error else evidence_in(case, as_it_was.world, at)
    was = again(case, as_it_was.world, at, evidence)
    now = again(case, drafted.world, at, evidence)
    if now.answer == was.answer and _by(now) == _by(was):
        return None
    if now.answer != UNKNOWN and (now.answer == ALLOWED) is not bool(error):
        return None
    flip = Flip(case["principal"], case["operation"], now.answer, _by(now))
    return Otherwise(flip, {"now": [dict(now.by)], "missing": list(now.missing)})


def _by(found: Judgement) -> str:
    """What decided, in words. If the caller's policies are unknown, it is the statement that leaves the decision to them."""
    by = found.by
    return decider_in_words(by if {"rule", "grant", "policy"} & by.keys() else by.get("delegation", {}))
