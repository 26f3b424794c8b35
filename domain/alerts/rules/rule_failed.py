"""A rule could not judge a record."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import HIGH

RULE = AlertRule(
    id="rule-failed",
    title="A rule could not judge a record",
    severity=HIGH,
    means=(
        "This is a fault of Keytrail. The other rules have judged the record, but this one has not. This is "
        "not an all-clear."
    ),
    do="Read the record by hand, and report the fault.",
    references=(),
    kind=OnHealth(),
)
