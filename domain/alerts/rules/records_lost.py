"""Records gone before they were judged."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import HIGH

RULE = AlertRule(
    id="records-lost",
    title="Records gone before they were judged",
    severity=HIGH,
    means="Retention or a cut removed records that no rule has seen.",
    do="Take the retention off the topic; what the projections hold `keytrail alerts scan` judges.",
    references=("T1070",),
    kind=OnHealth(),
)
