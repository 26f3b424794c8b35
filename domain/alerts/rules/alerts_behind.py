"""Records wait to be judged, or the counts cannot be checked."""

from __future__ import annotations

from domain.alerts.numbers import Number
from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import MEDIUM

LAG = Number("seconds", 30, "seconds that judging may be behind")

RULE = AlertRule(
    id="alerts-behind",
    title="Alerts are behind",
    severity=MEDIUM,
    means="Records wait to be judged, or the counts cannot be checked. Until this is over, silence means nothing.",
    do="Wait, or add workers (KEYTRAIL_ALERT_WORKERS). Look in pg_locks for a lock on a table of `alerting`.",
    references=(),
    kind=OnHealth(numbers=(LAG,)),
)
