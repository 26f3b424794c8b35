"""A call by a credential that may not be used any more."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.use import Use


def judge(use: Use) -> Iterator[Finding]:
    if use.dead:
        summary = f"{use.access_key} of {use.principal} was used from {use.source} for {use.operation}, and is disabled or gone"
        yield Finding(use.access_key, summary, use.account, about=(use.principal,))
