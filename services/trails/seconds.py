"""Judges calls on the state at their position. If a call's second has changes, the call is judged on each state of that second.

CloudTrail's times are whole seconds. If a state explains the answer, the call was decided on it and is explained. If several
states do and their explanations differ, nobody can say which one it was, and the call is open. If no state explains the
answer, a state in another order of the changes might. Then the call is open too, if what it was judged on changed more than
once in the second and the service would allow other orders.

A second may have thousands of changes and of different calls. Judgements beyond MOST_JUDGED are not made: such a call is open,
and judged on the first and the last state alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Set
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

from domain.cloudtrail.judge import EXPLAINED, OPEN, OTHER_ERROR, UNEXPLAINED
from services.trails.judged_calls import CaseJudge, Explained, JudgedOn

UNORDERED = "whether it came before or after a change of the same second"
SHUFFLED = "in which order the changes of the same second came"
ALONE = -2
"""The `low` of a call whose position is known."""
MOST_JUDGED = 50_000
"""How many judgements are made for one second: of each of its distinct calls on each of its states."""
JudgedRow = tuple[Any, ...]


class _Second:
    """A call's case, judged on the states from `low` to `high`."""

    def __init__(self, row: Any, low: int, *, shuffled: bool, whole: bool) -> None:
        """`whole`: it is judged on each state."""
        self.shuffled, self.whole = shuffled, whole
        self.case_id, self.low, self.high, self.last = row["case_id"], low, row["seen"], row["last"]
        self.left = 0
        self.found: list[tuple[int, tuple[bool, bool], Explained]] = []
        self.read: list[JudgedOn] = []

    def answer(self) -> tuple[int, Explained]:
        """Returns the position at which it was decided, and what explains it."""
        # A missing key cannot be used, and a missing identity cannot call: such states are ruled out.
        most = max(there for _, there, _ in self.found)
        possible = [each for each in self.found if each[1] == most]
        if not self.whole:
            position, _, answer = possible[-1]
            missing = dict.fromkeys([*answer[-1], UNORDERED])
            return position, answer if answer[0] == OTHER_ERROR else (OPEN, *answer[1:-1], list(missing))
        fits = [each for each in possible if each[2][0] in (EXPLAINED, OPEN)]
        if not fits:
            position, _, answer = possible[-1]
            touched = sum(not one.is_as(other) for one, other in pairwise(self.read))
            if answer[0] == UNEXPLAINED and self.shuffled and touched > 1:
                return position, (OPEN, *answer[1:-1], [*answer[-1], SHUFFLED])
            return position, answer
        position, _, answer = fits[-1]
        if len({tuple(map(str, each[2])) for each in fits}) == 1:
            return position, answer
        missing = dict.fromkeys([*(word for each in fits for word in each[2][-1]), UNORDERED])
        return position, (OPEN, *answer[1:-1], list(missing))


class JudgedSeconds:
    """`seconds`: by the position before a second's changes, that position and the position after each change. Groups come in
    the order of the first position at which they are judged. `shuffled`: the first position of each second whose changes
    may have come in another order."""

    def __init__(self, judging: CaseJudge, seconds: dict[int, list[int]], shuffled: Set[int]) -> None:
        self._judging, self._seconds, self._shuffled = judging, seconds, shuffled
        self._ahead: list[tuple[int, int, _Second]] = []
        self._number = 0
        self._judgements: dict[int, int] = {}
        self.unjudged: dict[int, int] = {}
        """For each second, by the position before its changes: the number of calls that were not judged on each state."""
        self.moved: list[JudgedRow] = []
        """(case, low, high, seen) of calls that were decided before their second's last change."""

    async def judge(self, rows: list[Any]) -> list[JudgedRow]:
        """Returns the rows of `judged` that are finished, also those of earlier groups."""
        await self._judging.fetch(rows)
        found: list[JudgedRow] = []
        for row in rows:
            low = row["low"]
            found += await self._until(row["seen"] if low == ALONE else low)
            if low == ALONE:
                found.append((row["case_id"], row["seen"], ALONE, *await self._judging.explain(row)))
                continue
            states = self._seconds.get(low, [low])
            count = bisect_right(states, row["seen"])
            judgements = self._judgements.get(low, 0) + count
            whole = count <= 2 or judgements <= MOST_JUDGED
            if whole:
                self._judgements[low] = judgements
            else:
                self.unjudged[low] = self.unjudged.get(low, 0) + row["calls"]
            second = _Second(row, low, shuffled=low in self._shuffled, whole=whole)
            for position in sorted({*(states[:count] if whole else states[:1]), row["seen"]}):
                second.left += 1
                self._number += 1
                heappush(self._ahead, (position, self._number, second))
        return found

    async def rest(self) -> list[JudgedRow]:
        return await self._until(None)

    async def _until(self, position: int | None) -> list[JudgedRow]:
        found = []
        while self._ahead and (position is None or self._ahead[0][0] <= position):
            at, _, second = heappop(self._ahead)
            row = {"case_id": second.case_id, "seen": at, "first": second.last, "last": second.last}
            await self._judging.fetch([row])
            answer = await self._judging.explain(row)
            second.found.append((at, self._judging.there(second.case_id), answer))
            if second.shuffled:
                second.read.append(self._judging.read_by(second.case_id))
            second.left -= 1
            if not second.left:
                seen, answer = second.answer()
                found.append((second.case_id, seen, second.low, *answer))
                if seen != second.high:
                    self.moved.append((second.case_id, second.low, second.high, seen))
        return found
