"""The writer's clock stands back."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.health import CLOCK_BACK, Health


def judge(health: Health) -> Iterator[Finding]:
    if health.kind == CLOCK_BACK:
        yield Finding(health.where, health.summary, health.account)
