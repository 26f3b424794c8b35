"""Records gone before they were judged."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import HIGH

RULE = AlertRule(
    id="records-lost",
    title="Records gone before they were judged",
    severity=HIGH,
    means="A retention setting or a cut removed records that no rule has judged.",
    do="Remove the retention from the topic. `keytrail alerts scan` judges what the projections still hold.",
    references=("T1070",),
    kind=OnHealth(),
)
