"""One principal was refused many keys."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Tick
from domain.alerts.use import Use
from domain.authorization.audience import account_in


def ticks(use: Use) -> Iterator[Tick]:
    """Keys of the caller's own account. How many of another account's there were to be refused would tell how many it has:
    those count as refused calls alone."""
    if use.denied:
        for key in use.keys:
            if account_in(key) == use.account:
                yield Tick(use.who, use.account, key)


def found(tick: Tick, count: int, window: int) -> Finding:
    summary = f"{tick.subject} was refused {count} keys or more within {window} s"
    return Finding(tick.subject, summary, tick.account, about=(tick.subject,))
