"""The log does not go on."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import CRITICAL

RULE = AlertRule(
    id="chain-broken",
    title="The log does not go on",
    severity=CRITICAL,
    means="What was read of the log is not what stands there now: it was cut, changed or made anew.",
    do="`keytrail verify`; restore from a backup.",
    references=("T1565", "T1070"),
    kind=OnHealth(),
)
