"""An access key for an account's root."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.arn import root_arn
from domain.log.events import AccessKeyCreated


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    root = root_arn(event.account)
    yield Finding(root, f"access key {event.access_key} made for {root}", event.account, about=(root,))


RULE = AlertRule(
    id="root-access-key",
    title="Access key for an account's root",
    severity=HIGH,
    means="The root now has a credential that no policy limits.",
    do="Use a role, and disable the access key.",
    references=("CIS 1.4", "Security Hub IAM.4", "T1098.001"),
    kind=OnChange(judge, on=(AccessKeyCreated,)),
)
