"""Many grants in a short time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Tick
from domain.alerts.use import Use


def ticks(use: Use) -> Iterator[Tick]:
    if use.operation == "CreateGrant" and not use.refused:
        yield Tick(use.who, use.account)


def found(tick: Tick, count: int, window: int) -> Finding:
    summary = f"{tick.subject} made {count} grants or more within {window} s"
    return Finding(tick.subject, summary, tick.account, about=(tick.subject,))
