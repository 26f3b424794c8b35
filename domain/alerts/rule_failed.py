"""A rule could not judge a record."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.health import NOT_JUDGED, Health


def judge(health: Health) -> Iterator[Finding]:
    if health.kind == NOT_JUDGED:
        yield Finding(health.where, health.summary, health.account)
