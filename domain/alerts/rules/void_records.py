"""Void record on the log."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import MEDIUM

RULE = AlertRule(
    id="void-records",
    title="Void record on the log",
    severity=MEDIUM,
    means="Somebody appended a record that does not follow from the one before: a deposed writer, or a stranger.",
    do="One such record at a takeover is harmless. Otherwise find out who can write to the topic.",
    references=("T1565",),
    kind=OnHealth(),
)
