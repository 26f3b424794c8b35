"""A key is no longer rotated."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.log.events import RotationDisabled


def judge(change: Change) -> Iterator[Finding]:
    key = change.key
    if key is not None and key.schedule is not None:
        yield Finding(key.arn, f"{change.who} switched rotation off", about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="rotation-disabled",
    title="Key rotation switched off",
    severity=MEDIUM,
    means="The same key material stays in use for ever.",
    do="Run `aws kms enable-key-rotation --key-id KEY`.",
    references=("CIS 3.8", "Security Hub KMS.4"),
    kind=OnChange(judge, on=(RotationDisabled,)),
)
