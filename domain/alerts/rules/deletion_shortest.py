"""A key is to be deleted after the shortest possible time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.log.events import DeletionScheduled

SHORTEST = 7
"""Days (API reference, ScheduleKeyDeletion)."""


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None and event.days <= SHORTEST:
        summary = f"{change.who} chose {event.days} days, the shortest that there is; deleted at {event.due}"
        yield Finding(key.arn, summary, about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="deletion-shortest",
    title="Key is to be deleted as soon as possible",
    severity=HIGH,
    means="The shortest waiting time leaves the least time to notice.",
    do="Run `aws kms cancel-key-deletion --key-id KEY`, and ask why there is a hurry.",
    references=("CIS 4.7", "T1485"),
    kind=OnChange(judge, on=(DeletionScheduled,)),
)
