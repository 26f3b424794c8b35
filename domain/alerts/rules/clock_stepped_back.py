"""The writer's clock was set back."""

from __future__ import annotations

from domain.alerts.numbers import Number
from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import MEDIUM

BEHIND = Number("seconds", 5, "seconds that the writer's clock may stand back")

RULE = AlertRule(
    id="clock-stepped-back",
    title="The writer's clock stands back",
    severity=MEDIUM,
    means="Records keep the time of the last one, while the broker's clock goes on.",
    do="Correct the machine's clock. Times on the log stand still until it has caught up.",
    references=("T1565",),
    kind=OnHealth(numbers=(BEHIND,)),
)
