"""One principal was refused many keys."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Tick
from domain.alerts.use import Use


def ticks(use: Use) -> Iterator[Tick]:
    if use.denied:
        for key in use.keys:
            yield Tick(use.who, use.account, key)


def found(tick: Tick, count: int, window: int) -> Finding:
    summary = f"{tick.subject} was refused {count} keys or more within {window} s"
    return Finding(tick.subject, summary, tick.account, about=(tick.subject,))
