"""Another writer took over."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    before = change.world.writer
    if before and before != change.event.writer:
        yield Finding(change.event.writer, f"writer {change.event.writer} took over from {before}", "")
