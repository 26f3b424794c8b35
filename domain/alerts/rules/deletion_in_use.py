"""A key that is in use is to be deleted."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_in_use import USED_WITHIN, ago, days_since_use
from domain.alerts.numbers import Numbers
from domain.alerts.rule import AlertRule, OnMeasuredChange
from domain.alerts.severities import HIGH
from domain.log.events import DeletionScheduled


def judge(change: Change, numbers: Numbers) -> Iterator[Finding]:
    key, event = change.key, change.event
    days = days_since_use(change, numbers[USED_WITHIN])
    if key is not None and days is not None:
        summary = f"deleted at {event.due}, and used {ago(days)}"
        yield Finding(key.arn, summary, about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="deletion-in-use",
    title="Key in use is to be deleted",
    severity=HIGH,
    means="The key was used recently, so somebody will miss it.",
    do="Run `keytrail last-use KEY` to see who uses it, and `aws kms cancel-key-deletion --key-id KEY` to keep it.",
    references=("CIS 4.7", "T1485", "T1490"),
    kind=OnMeasuredChange(judge, on=(DeletionScheduled,), numbers=(USED_WITHIN,)),
)
