"""What a draft would have done: each logged decision of a span that it could change is made again, as of the decision's time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from domain.authorization.audience import Audience
from domain.decisions.again import was_allowed
from projections.decisions import spans
from projections.decisions.spans import DecisionSpan, TimeBounds, Touched
from projections.log.schema import AskedLog
from services.questions.decided_again import DecidedAgain, DecisionWalk
from services.questions.drafts import Draft
from services.questions.flips import CountBeside, Flip, Otherwise, Weighed, decider_in_words, none_beside, told
from services.questions.replay import Replay
from services.questions.snapshot import Still

ASK_MORE = frozenset({"ReEncrypt", "CreateAlias", "UpdateAlias", "DeleteAlias"})
"""Operations that need several permissions: if the first was denied, the others were never checked."""


async def what_if(
    still: Still,
    region: str,
    draft: Draft,
    times: TimeBounds,
    after: int | None,
    audience: Audience,
    *,
    calls: bool,
) -> AsyncIterator[dict[str, Any]]:
    """Yields what `flips.told` yields.

    A call across accounts counts if the asking account may see it, with what it may see of it. If the other account refused a
    call, it is unknown here whether that account would have allowed it.

    A later question may give the last `through` as `after`: it continues there, and the results add up.
    """
    log, last = still.log, still.last
    span = DecisionSpan(-2 if after is None else after, last, times, await draft.whose(log), audience.account)
    total, first = await spans.counted(log, span)
    weighed = _nothing()
    beside: CountBeside = none_beside
    if first is not None:
        touched = await draft.touched(log, first, last)
        beside = _beside(log, span, touched)
        replay = await Replay.begin(log, region, min(first, still.history), last)
        weighed = _weighed(log, replay, draft, replace(span, within=touched), audience)
    async for each in told(log, weighed, beside, last, total, calls=calls):
        yield each


async def _nothing() -> AsyncIterator[Weighed]:
    return
    yield


def _beside(log: AskedLog, span: DecisionSpan, touched: Touched | None) -> CountBeside:
    """Counts the calls that the draft cannot change; they are not decided again."""
    if touched is None:
        return none_beside
    left = replace(span, outside=touched)

    async def up_to(position: int) -> int:
        nonlocal left
        count, _ = await spans.counted(log, replace(left, last=position))
        left = replace(left, after=max(left.after, position))
        return count

    return up_to


async def _weighed(
    log: AskedLog, replay: Replay, draft: Draft, span: DecisionSpan, audience: Audience
) -> AsyncIterator[Weighed]:
    epochs = await draft.epochs(log, span.after, span.last)
    async for each in DecisionWalk(log, replay, draft.put).walk(span, epochs):
        through = each.seen - 1 if epochs is None else _before_the_epoch(epochs, each.seen, span.after)
        otherwise = _otherwise(each, audience)
        yield Weighed(each.seen, each.until, each.name, each.calls, each.first, each.last, through, otherwise)


def _before_the_epoch(epochs: Sequence[int], seen: int, begin: int) -> int:
    """The last position before the epoch that a decision belongs to."""
    number = bisect_right(epochs, seen)
    return epochs[number - 1] - 1 if number else begin


def _otherwise(each: DecidedAgain, audience: Audience) -> Otherwise | None:
    before = was_allowed(each.case)
    if before == each.again.allowed:
        return None
    who, own = audience.case(each.case)
    asks_more = each.case["operation"] in ASK_MORE and len(each.case["reasons"]) == 1
    if not before and (asks_more or not own):
        return Otherwise(None, {})
    on_record: list[Any] = list(each.case["reasons"])
    now: list[Any] = list(each.again.reasons)
    if not own:
        on_record, now = audience.reasons(on_record), audience.reasons(now)
    effect = "allowed" if each.again.allowed else "refused"
    return Otherwise(Flip(who, each.case["operation"], effect, _decider(now)), {"on_record": on_record, "now": now})


def _decider(reasons: list[Any]) -> str:
    return decider_in_words(
        next((each for each in reasons if each["effect"] == "deny"), reasons[-1])["by"] if reasons else {}
    )
