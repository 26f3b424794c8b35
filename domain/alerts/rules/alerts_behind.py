"""Alerts are behind."""

from __future__ import annotations

from domain.alerts.numbers import Number
from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import MEDIUM

LAG = Number("seconds", 30, "seconds that judging may be behind")

RULE = AlertRule(
    id="alerts-behind",
    title="Alerts are behind",
    severity=MEDIUM,
    means="Records wait to be judged, or what was counted cannot be proved: silence means nothing until this is over.",
    do="Give it time, or more workers (KEYTRAIL_ALERT_WORKERS); see in pg_locks who holds a table of `alerting`.",
    references=(),
    kind=OnHealth(numbers=(LAG,)),
)
