"""The kinds of rule that there are, and the row that says everything about one.

Rules are pure: they read what they are given and nothing else. A rule that counts says what is counted; whoever runs it does
the counting, and calls it when there is enough. So a stream and a history are judged by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from domain.alerts.change import Change
from domain.alerts.finding import Finding, Tick
from domain.alerts.numbers import Number
from domain.alerts.settings import AlertSettings
from domain.alerts.use import Use
from domain.keys.key import Key


@dataclass(frozen=True, slots=True)
class OnChange:
    """Judges a record that changed something, on the world before it. `on` are the events that it looks at. `costly`: it
    asks for the sets of requests that a policy means, within a budget where somebody waits; `by_text` is what the text
    alone shows of it, told where the budget ended."""

    judge: Callable[[Change], Iterator[Finding]]
    on: tuple[type, ...]
    costly: bool = False
    by_text: Callable[[Change], Iterator[Finding]] | None = None


@dataclass(frozen=True, slots=True)
class OnUse:
    """Judges one call, allowed or refused, by itself. A finding's subject is raised once in `every` seconds. `judge` reads
    neither time, call id nor tags: calls that differ in these alone are judged once."""

    judge: Callable[[Use], Iterator[Finding]]
    every: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts calls in windows of `window` seconds that begin at whole multiples of it, whatever order records come in;
    what reaches `threshold` is found once in a window. `ticks` reads neither time, call id nor tags."""

    ticks: Callable[[Use], Iterable[Tick]]
    found: Callable[[Tick, int, int], Finding]
    """Of (tick, how many, seconds of the window)."""


@dataclass(frozen=True, slots=True)
class First:
    """What is found the first time that a pair comes, once the key is old enough (`age`, seconds)."""

    pairs: Callable[[Use], Iterable[tuple[str, str]]]
    """(principal, key's ARN). Reads neither time, call id nor tags."""
    found: Callable[[Use, str], Finding]


@dataclass(frozen=True, slots=True)
class OnTime:
    """Judges a key as time goes on: (what the finding is of, in microseconds, and is found once for; the finding)."""

    judge: Callable[[Key, int, AlertSettings], Iterator[tuple[int, Finding]]]


@dataclass(frozen=True, slots=True)
class OnHealth:
    """What was seen of Keytrail itself, of one kind (health.py): whoever sees it has judged it already."""

    seen: str


Kind = OnChange | OnUse | Counted | First | OnTime | OnHealth


@dataclass(frozen=True, slots=True)
class Rule:
    """`means` and `do` are for who reads the alert; `references` are names of outside sources."""

    id: str
    title: str
    severity: str
    means: str
    do: str
    references: tuple[str, ...]
    kind: Kind
    numbers: Mapping[str, Number] = field(default_factory=dict)
