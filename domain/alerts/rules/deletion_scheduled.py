"""A key is to be deleted."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.log.events import DeletionScheduled


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None:
        yield Finding(key.arn, f"deleted at {event.due}, in {event.days} days", about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="deletion-scheduled",
    title="Key is to be deleted",
    severity=MEDIUM,
    means="Once the key is deleted, nothing that it encrypted can ever be read again.",
    do="If anybody needs the key, run `aws kms cancel-key-deletion --key-id KEY` in time.",
    references=("CIS 4.7", "Security Hub KMS.3", "T1485"),
    kind=OnChange(judge, on=(DeletionScheduled,)),
)
