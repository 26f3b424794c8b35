"""A key that was to be deleted stays."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import INFO
from domain.log.events import DeletionCancelled


def judge(change: Change) -> Iterator[Finding]:
    key = change.key
    if key is not None:
        yield Finding(key.arn, f"{change.who} cancelled the deletion", about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="deletion-cancelled",
    title="Deletion of a key cancelled",
    severity=INFO,
    means="A key that was going to be deleted stays, disabled.",
    do="Nothing, if this was intended.",
    references=(),
    kind=OnChange(judge, on=(DeletionCancelled,)),
)
