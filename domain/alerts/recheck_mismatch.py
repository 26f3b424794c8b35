"""A logged decision comes out otherwise when it is made again."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.health import MISMATCH, Health


def judge(health: Health) -> Iterator[Finding]:
    if health.kind == MISMATCH:
        yield Finding(health.where, health.summary, health.account)
