"""Many refused calls of one principal in a short time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Tick
from domain.alerts.use import Use


def ticks(use: Use) -> Iterator[Tick]:
    if use.denied:
        yield Tick(use.who, use.account)


def found(tick: Tick, count: int, window: int) -> Finding:
    summary = f"{tick.subject} was refused {count} times or more within {window} s"
    return Finding(tick.subject, summary, tick.account, about=(tick.subject,))
