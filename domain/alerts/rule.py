"""The kinds of rules, and the row that describes a rule.

Rules are pure: they read only what they are given. A rule that counts says what to count; its caller counts, and calls the
rule when the threshold is reached. So the same rules judge a stream and a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from domain.alerts.change import Change
from domain.alerts.finding import Finding, Occurrence
from domain.alerts.numbers import Number, Numbers
from domain.alerts.observed_call import ObservedCall
from domain.keys.key import Key


@dataclass(frozen=True, slots=True)
class OnChange:
    """Judges a record that changed something, on the world before it. `on`: the types of event that the rule judges.
    `costly`: the rule compares sets of requests, within a budget if somebody waits. `by_text` finds what the text by itself
    shows; it is used if the budget ends before `judge` was called, and if `judge` fails."""

    judge: Callable[[Change], Iterator[Finding]]
    on: tuple[type, ...]
    costly: bool = False
    by_text: Callable[[Change], Iterator[Finding]] | None = None
    numbers: ClassVar[tuple[Number, ...]] = ()


@dataclass(frozen=True, slots=True)
class OnMeasuredChange:
    """Judges a record that changed something, with numbers of the rule's own."""

    judge: Callable[[Change, Numbers], Iterator[Finding]]
    on: tuple[type, ...]
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class OnCall:
    """Judges single calls, allowed or refused. An alert about one subject is raised once in `every` seconds. `judge` reads
    neither time, id nor tags: of calls that differ only in these, one is judged."""

    judge: Callable[[ObservedCall], Iterator[Finding]]
    every: int
    numbers: ClassVar[tuple[Number, ...]] = ()


@dataclass(frozen=True, slots=True)
class OnCountedCalls:
    """Counts calls in windows of `window` seconds that begin at whole multiples of it; the order of the records does not
    matter. A window that reaches `threshold` raises one finding. `occurrences` reads neither time, id nor tags."""

    occurrences: Callable[[ObservedCall], Iterable[Occurrence]]
    found: Callable[[Occurrence, int, int], Finding]
    """Takes the occurrence, the threshold and the length of the window in seconds."""
    threshold: Number
    window: Number

    @property
    def numbers(self) -> tuple[Number, ...]:
        return self.threshold, self.window


@dataclass(frozen=True, slots=True)
class OnFirstUse:
    """Finds the first call of a principal with a key, once the key is `age` seconds old. `pairs` yields (principal, key's
    ARN), and reads neither time, id nor tags."""

    pairs: Callable[[ObservedCall], Iterable[tuple[str, str]]]
    found: Callable[[ObservedCall, str], Finding]
    age: Number

    @property
    def numbers(self) -> tuple[Number, ...]:
        return (self.age,)


@dataclass(frozen=True, slots=True)
class OnTime:
    """Judges a key as time passes. `judge` takes the key and the time, and yields findings, each with the moment that it is
    about (microseconds). Each moment is found once."""

    judge: Callable[[Key, int, Numbers], Iterator[tuple[int, Finding]]]
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class OnHealth:
    """Something that Keytrail notices about itself, judged already by the part that noticed it (health.py)."""

    numbers: tuple[Number, ...] = ()


RuleKind = OnChange | OnMeasuredChange | OnCall | OnCountedCalls | OnFirstUse | OnTime | OnHealth


@dataclass(frozen=True, slots=True)
class AlertRule:
    """`means` and `do` are for the reader of the alert; `references` name outside sources."""

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
