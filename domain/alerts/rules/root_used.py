"""An account's root was used."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.use import Use


def judge(use: Use) -> Iterator[Finding]:
    if use.is_root:
        summary = f"{use.principal} called {use.operation} from {use.source}"
        yield Finding(use.principal, summary, use.account, about=(use.principal,))
