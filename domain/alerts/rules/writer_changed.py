"""Another writer took over."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import LOW
from domain.log.events import WriterStarted


def judge(change: Change) -> Iterator[Finding]:
    before = change.world.writer
    if before and before != change.event.writer:
        yield Finding(change.event.writer, f"writer {change.event.writer} took over from {before}", "")


RULE = AlertRule(
    id="writer-changed",
    title="Another writer took over",
    severity=LOW,
    means="A writer ended or was stopped, and a standby leads. After a restart this is normal.",
    do="If nobody restarted the old writer, read its log.",
    references=(),
    kind=OnChange(judge, on=(WriterStarted,)),
)
