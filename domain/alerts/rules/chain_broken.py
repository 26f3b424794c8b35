"""The log no longer holds what was read from it."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import CRITICAL

RULE = AlertRule(
    id="chain-broken",
    title="The log does not go on",
    severity=CRITICAL,
    means="The log no longer holds what was read from it: it was cut, changed or recreated.",
    do="Run `keytrail verify`, and restore from a backup. If what brokers lost stays lost, `keytrail accept-loss`.",
    references=("T1565", "T1070"),
    kind=OnHealth(),
)
