"""Records were gone before they were judged."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.health import LOST, Health


def judge(health: Health) -> Iterator[Finding]:
    if health.kind == LOST:
        yield Finding(health.where, health.summary, health.account)
