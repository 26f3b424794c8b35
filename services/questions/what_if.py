"""What a draft would have done: every logged decision of a span that it could change, decided again at its own time."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.authorization.audience import Audience
from domain.decisions.again import was_allowed
from services.questions.decided_again import Decided, Deciding, Span, Times, within
from services.questions.drafts import Draft
from services.questions.replay import Replay
from services.questions.snapshot import Still
from services.rendering import utc

TOLD_EVERY = 0.25
ASK_MORE = frozenset({"ReEncrypt", "CreateAlias", "UpdateAlias", "DeleteAlias"})
"""Operations that ask several permissions: where the first was denied, the rest were never asked."""

COUNT = """
SELECT count(*), min(seen) FROM p_decisions.decisions
WHERE seen > $1 AND seen <= $2 AND case_id IS NOT NULL {where}
"""
# index: decisions_seen
CALLS = """
SELECT call_id, at FROM p_decisions.decisions
WHERE seen >= $1 AND seen <= $2 AND case_id = $3 AND at >= $4 AND at <= $5 ORDER BY at, record
"""
Flip = tuple[str, str, str, str]
"""(principal, operation, effect now, what decides now)."""


@dataclass(slots=True)
class Flipped:
    """Calls that come out otherwise, by who, what and why."""

    calls: int
    first: datetime
    last: datetime
    seen: int
    on_record: list[Any]
    now: list[Any]

    def take(self, each: Decided) -> None:
        self.calls += each.calls
        self.first = min(self.first, each.first)
        self.last = max(self.last, each.last)


class _Outside:
    """Calls that the draft cannot change, as the sets of requests show that it and the policies of then have apart: they are
    counted and not decided."""

    def __init__(self, connection: Any, where: str, values: tuple[Any, ...], after: int) -> None:
        self._connection, self._where, self._values, self._after = connection, where, values, after

    async def up_to(self, position: int) -> int:
        """How many more there are up to a position."""
        query = COUNT.format(where=self._where)
        count, _ = await self._connection.fetchrow(query, self._after, position, *self._values)
        self._after = max(self._after, position)
        return int(count)


def _decider(reasons: list[Any]) -> str:
    return in_words(next((each for each in reasons if each["effect"] == "deny"), reasons[-1])["by"] if reasons else {})


def in_words(by: Mapping[str, Any]) -> str:
    """What decided: a rule, a grant or a statement."""
    if "rule" in by:
        return str(by["rule"])
    if "grant" in by:
        return f"grant {by['grant']}"
    return f"{by.get('policy', '')} statement {by.get('index')}" + (f" {by['sid']!r}" if by.get("sid") else "")


async def what_if(
    still: Still,
    region: str,
    draft: Draft,
    times: Times,
    after: int | None,
    audience: Audience,
    *,
    calls: bool,
) -> AsyncIterator[dict[str, Any]]:
    """`{"done", "of", "through", "result"}` now and then, the last with `end`; with `calls`, `{"flipped"}` for each call
    that comes out otherwise.

    Of calls across accounts only those count that the asking account is told of (`owners`), by what it is told of them:
    whether another account would have let in a call that it refused is that account's to say, and counts as unknown.

    `through` is a position: with `after` the same question goes on behind it, and the results add up.
    """
    connection, last = still.connection, still.last
    condition, values = draft.narrowed()
    if audience.account:
        condition, values = f"{condition} AND ${len(values) + 3} = ANY(owners)", (*values, audience.account)
    then, ends = within(times, len(values) + 3)
    condition, values = f"{condition} {then}", (*values, *ends)
    begins = -2 if after is None else after
    # the placeholders count from $3, behind the span's own two
    total, first = await connection.fetchrow(COUNT.format(where=condition), begins, last, *values)
    done, told, unknown = 0, time.monotonic(), 0
    flips: dict[Flip, Flipped] = {}
    if total:
        touched = await draft.touched(connection, first, last)
        narrower, given = touched.condition(len(values) + 3) if touched is not None else ("TRUE", ())
        outside = _Outside(connection, f"{condition} AND NOT ({narrower})", (*values, *given), begins)
        condition, values = f"{condition} AND {narrower}", (*values, *given)
        replay = await Replay.begin(connection, region, min(first, still.history), last)
        epochs = await draft.epochs(connection, begins, last)
        span = Span(begins, last, condition, values, epochs)
        behind = 0 if epochs is not None else begins
        async for each in Deciding(connection, replay, draft.put).walk(span):
            epoch = each.seen if epochs is None else bisect_right(epochs, each.seen)
            if epoch > behind and time.monotonic() - told > TOLD_EVERY:
                # All that was decided at positions up to `through` is in the result, and nothing after it.
                told = time.monotonic()
                through = (each.seen if epochs is None else epochs[epoch - 1]) - 1
                done += await outside.up_to(through)
                yield {"done": done, "of": total, "through": through, "result": _result(flips, done, unknown)}
            behind = epoch
            done += each.calls
            before = was_allowed(each.case)
            if before == each.again.allowed:
                continue
            who, own = audience.case(each.case)
            asks_more = each.case["operation"] in ASK_MORE and len(each.case["reasons"]) == 1
            if not before and (asks_more or not own):
                unknown += each.calls
                continue
            on_record: list[Any] = list(each.case["reasons"])
            now: list[Any] = list(each.again.reasons)
            if not own:
                on_record, now = audience.reasons(on_record), audience.reasons(now)
            effect = "allowed" if each.again.allowed else "refused"
            flip = (who, each.case["operation"], effect, _decider(now))
            if calls:
                for row in await connection.fetch(CALLS, each.seen, each.until, each.name, each.first, each.last):
                    call = {
                        "call_id": row["call_id"],
                        "at": utc(row["at"]),
                        "principal": flip[0],
                        "operation": flip[1],
                    }
                    yield {"flipped": call | {"effect": effect, "decided_by": flip[3]}}
            held = flips.get(flip)
            if held is None:
                flips[flip] = Flipped(each.calls, each.first, each.last, each.seen, on_record, now)
            else:
                held.take(each)
        done += await outside.up_to(last)
    yield {"done": done, "of": total, "through": last, "end": True, "result": _result(flips, done, unknown)}


def _result(flips: dict[Flip, Flipped], done: int, unknown: int) -> dict[str, Any]:
    """`unknown`: calls of which a permission would be asked that never was."""
    groups = [
        {
            "principal": principal,
            "operation": operation,
            "effect": effect,
            "decided_by": by,
            "calls": found.calls,
            "first": utc(found.first),
            "last": utc(found.last),
            "seen": found.seen,
            "on_record": found.on_record,
            "now": found.now,
        }
        for (principal, operation, effect, by), found in sorted(flips.items(), key=lambda each: -each[1].calls)
    ]
    flipped = sum(found.calls for found in flips.values())
    return {"decisions": done, "flipped": flipped, "unknown": unknown, "groups": groups}
