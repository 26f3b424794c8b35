"""A second decision of a logged call has another result."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import CRITICAL

RULE = AlertRule(
    id="recheck-mismatch",
    title="A decision comes out otherwise",
    severity=CRITICAL,
    means="`keytrail recheck` decided a logged call again and got another answer, or found that decisions in Postgres and leaves "
    "of the transparency log do not agree: a fault, or a changed record.",
    do="Read what recheck says about it, and run `keytrail verify`.",
    references=("T1565",),
    kind=OnHealth(),
)
