"""The log does not go on from what was read of it."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.health import BREAK, Health


def judge(health: Health) -> Iterator[Finding]:
    if health.kind == BREAK:
        yield Finding(health.where, health.summary, health.account)
