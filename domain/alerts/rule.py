"""The kinds of rule that there are, and the row that says everything about one.

Rules are pure: they read what they are given and nothing else. A rule that counts says what is counted; whoever runs it does
the counting, and calls it when there is enough. So a stream and a history are judged by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from domain.alerts.change import Change
from domain.alerts.finding import Finding, Tick
from domain.alerts.numbers import Number, Numbers
from domain.alerts.observed_call import ObservedCall
from domain.keys.key import Key


@dataclass(frozen=True, slots=True)
class OnChange:
    """Judges a record that changed something, on the world before it. `on` lists the types of event that it looks at.
    `costly`: it asks which sets of requests a policy allows, within a budget where somebody waits; `by_text` finds what the
    text alone shows, for a budget that ended before `judge` was asked."""

    judge: Callable[[Change], Iterator[Finding]]
    on: tuple[type, ...]
    costly: bool = False
    by_text: Callable[[Change], Iterator[Finding]] | None = None
    numbers: ClassVar[tuple[Number, ...]] = ()


@dataclass(frozen=True, slots=True)
class OnMeasuredChange:
    """Judges a record that changed something by numbers of the rule's own."""

    judge: Callable[[Change, Numbers], Iterator[Finding]]
    on: tuple[type, ...]
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class OnCall:
    """Judges one call, allowed or refused, by itself. An alert about one subject is raised once in `every` seconds. `judge`
    reads neither time, id nor tags: calls that differ in these alone are judged once."""

    judge: Callable[[ObservedCall], Iterator[Finding]]
    every: int
    numbers: ClassVar[tuple[Number, ...]] = ()


@dataclass(frozen=True, slots=True)
class OnCountedCalls:
    """Counts calls in windows of `window` seconds that begin at whole multiples of it, in whatever order records come. A
    window that reaches `threshold` is found once. `ticks` reads neither time, id nor tags."""

    ticks: Callable[[ObservedCall], Iterable[Tick]]
    found: Callable[[Tick, int, int], Finding]
    """Takes the tick, the threshold and the seconds of the window."""
    threshold: Number
    window: Number

    @property
    def numbers(self) -> tuple[Number, ...]:
        return self.threshold, self.window


@dataclass(frozen=True, slots=True)
class OnFirstUse:
    """Finds the first call in which a principal and a key come together, once the key is `age` seconds old. `pairs` gives
    (principal, key's ARN), and reads neither time, id nor tags."""

    pairs: Callable[[ObservedCall], Iterable[tuple[str, str]]]
    found: Callable[[ObservedCall, str], Finding]
    age: Number

    @property
    def numbers(self) -> tuple[Number, ...]:
        return (self.age,)


@dataclass(frozen=True, slots=True)
class OnTime:
    """Judges a key as time goes on. `judge` takes the key and the time, and gives findings, each with the moment that it is
    about (microseconds): one moment is found once."""

    judge: Callable[[Key, int, Numbers], Iterator[tuple[int, Finding]]]
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class OnHealth:
    """Something that Keytrail notices about itself: whoever notices it has judged it already (health.py)."""

    numbers: tuple[Number, ...] = ()


RuleKind = OnChange | OnMeasuredChange | OnCall | OnCountedCalls | OnFirstUse | OnTime | OnHealth


@dataclass(frozen=True, slots=True)
class AlertRule:
    """`means` and `do` are for whoever reads the alert; `references` name outside sources."""

    id: str
    title: str
    severity: str
    means: str
    do: str
    references: tuple[str, ...]
    kind: RuleKind

    @property
    def numbers(self) -> tuple[Number, ...]:
        return self.kind.numbers
