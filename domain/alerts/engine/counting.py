"""Counts windows and first times in memory, for a history, in which each record is read once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.alerts.engine.alert import Alert
from domain.alerts.engine.judge import Candidate, Judge, Pair
from domain.alerts.observed_call import ObservedCall

HELD = 200_000
"""The number of windows that are held at once; the one touched longest ago goes first."""


@dataclass(slots=True)
class _Window:
    count: int = 0
    items: set[str] = field(default_factory=set)


class Counting:
    """Returns each window's alert once, and each pair once."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._windows: OrderedDict[tuple[str, str, int], _Window] = OrderedDict()
        self._pairs: set[tuple[str, str]] = set()

    def take(self, call: ObservedCall, source: Mapping[str, Any]) -> list[Alert]:
        return [
            self._judge.reached(candidate, call.at, source)
            for candidate in self._judge.candidates(call)
            if self._crosses(candidate)
        ]

    def _crosses(self, candidate: Candidate) -> bool:
        window = self._windows.get(candidate.window_of)
        if window is None:
            window = self._windows[candidate.window_of] = _Window()
            if len(self._windows) > HELD:
                self._windows.popitem(last=False)
        if candidate.item:
            if candidate.item in window.items or window.count >= candidate.threshold:
                return False
            window.items.add(candidate.item)
        window.count += 1
        return window.count == candidate.threshold

    def new_pairs(self, call: ObservedCall, source: Mapping[str, Any]) -> list[Pair]:
        """The pairs that were not returned before."""
        found = []
        for pair in self._judge.pairs(call, source):
            if (pair.principal, pair.key) not in self._pairs:
                self._pairs.add((pair.principal, pair.key))
                found.append(pair)
        return found
