"""Makes the logged decisions of a span again. They are grouped by what the evaluator reads, and each group is decided once.

Decisions of one case (`domain.decisions.case`) are one decision as long as what it reads stays the same. They are walked in
the order of the positions at which they were made (`seen`), and the world moves forward with them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from domain.decisions.again import Again, Callers, decide_again, is_of_signed_out
from domain.log.codec import micros_of
from domain.state.world import World
from projections.decisions import queries as decisions
from projections.decisions import spans
from projections.decisions.spans import DecisionSpan
from projections.log.schema import AskedLog
from services.questions.replay import Replay
from services.turns import Turn

CASES = 10_000
"""How many cases are remembered with their results."""
FETCHED = 5_000


@dataclass(slots=True)
class DecidedAgain:
    """The `calls` decisions of one case at the positions from `seen` to `until`. `again` is their result now."""

    seen: int
    until: int
    name: bytes
    case: dict[str, Any]
    calls: int
    first: datetime
    last: datetime
    again: Again


@dataclass(slots=True)
class _Held:
    """A case and its result. The result holds as long as what it read stays the same."""

    case: dict[str, Any]
    again: Again | None = None
    changes: int = -1
    stands: int = -1


class DecisionWalk:
    """`put` puts a draft into the world after each move; without it, the world stays unchanged."""

    def __init__(self, log: AskedLog, replay: Replay, put: Callable[[World], None] | None = None) -> None:
        self._log = log
        self._replay = replay
        self._put = put
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._callers = Callers()
        self._steps = 0
        """Counts the changes of the world."""

    async def walk(self, span: DecisionSpan, epochs: Sequence[int] | None = None) -> AsyncIterator[DecidedAgain]:
        """Every decision of the span, in the order of `seen`.

        `epochs`: in order, the positions at which something changed that these decisions could read; None if they are not
        known. Between two of these positions, all decisions of a case are one decision.
        """
        rows = await (spans.by_position(self._log, span) if epochs is None else spans.by_epoch(self._log, span, epochs))
        turn = Turn()
        while groups := await rows.fetch(FETCHED):
            await self._fetch_cases([row["case_id"] for row in groups])
            for row in groups:
                if await self._replay.to(max(row["seen"], self._replay.world.position)) or self._steps == 0:
                    self._steps += 1
                    if self._put is not None:
                        self._put(self._replay.world)
                async for each in self._group(row, span):
                    yield each
                await turn.give_way()

    async def _fetch_cases(self, names: Sequence[bytes]) -> None:
        missing = {name for name in names if name not in self._held}
        for name in names:
            if name in self._held:
                self._held.move_to_end(name)
        if missing:
            for name, text in (await decisions.cases(self._log, list(missing))).items():
                self._held[name] = _Held(orjson.loads(text))
        while len(self._held) > max(CASES, len(names)):
            self._held.popitem(last=False)

    async def _group(self, row: Any, span: DecisionSpan) -> AsyncIterator[DecidedAgain]:
        held = self._held[row["case_id"]]
        again = self._known(held)
        if again is None:
            again = decide_again(held.case, self._replay.world, micros_of(row["last"]), self._callers)
            held.again, held.changes, held.stands = again, self._replay.world.directory.changes, self._steps
        if not again.reads_time:
            yield DecidedAgain(
                row["seen"], row["until"], row["case_id"], held.case, row["calls"], row["first"], row["last"], again
            )
            return
        held.again = None
        for time in await spans.times_of(self._log, span, row["case_id"], row["seen"], row["until"]):
            timed = decide_again(held.case, self._replay.world, micros_of(time["at"]), self._callers)
            yield DecidedAgain(
                row["seen"], row["until"], row["case_id"], held.case, time["calls"], time["at"], time["at"], timed
            )

    def _known(self, held: _Held) -> Again | None:
        """The case's result, if it still holds: everything that it read is still the same object."""
        if held.again is None:
            return None
        if held.stands == self._steps:
            return held.again
        world = self._replay.world
        if held.changes != world.directory.changes or is_of_signed_out(held.case, world):
            return None
        for resource in held.again.read:  # roles are in the directory, whose changes were compared above
            key = world.keys.get(resource.arn.partition(":key/")[2])
            if ":key/" in resource.arn and (key is None or world.resource(key) is not resource):
                return None
        held.stands = self._steps
        return held.again
