"""A rule could not judge a record."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import HIGH

RULE = AlertRule(
    id="rule-failed",
    title="A rule could not judge a record",
    severity=HIGH,
    means="A fault of Keytrail: the other rules have judged the record, this one has not. That is no all-clear.",
    do="Read the record by hand, and report the fault.",
    references=(),
    kind=OnHealth(),
)
