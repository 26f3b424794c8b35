"""Void record on the log."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import MEDIUM

RULE = AlertRule(
    id="void-records",
    title="Void record on the log",
    severity=MEDIUM,
    means="A record was appended that does not go on from the one before: a writer that was deposed, or a stranger's.",
    do="One beside a takeover is harmless; else find out who may write to the topic.",
    references=("T1565",),
    kind=OnHealth(),
)
