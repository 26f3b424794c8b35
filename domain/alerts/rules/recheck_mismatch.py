"""A decision comes out otherwise."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import CRITICAL

RULE = AlertRule(
    id="recheck-mismatch",
    title="A decision comes out otherwise",
    severity=CRITICAL,
    means="`keytrail recheck` made a logged decision again and got another answer: a fault, or a changed record.",
    do="Read what recheck says of it, and `keytrail verify`.",
    references=("T1565",),
    kind=OnHealth(),
)
