"""A record on the log that counts for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.health import VOID, Health


def judge(health: Health) -> Iterator[Finding]:
    if health.kind == VOID:
        yield Finding(health.where, health.summary, health.account)
