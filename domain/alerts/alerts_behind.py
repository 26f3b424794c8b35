"""Judging is behind what happens."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.health import BEHIND, Health


def judge(health: Health) -> Iterator[Finding]:
    if health.kind == BEHIND:
        yield Finding(health.where, health.summary, health.account)
