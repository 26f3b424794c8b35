"""A witness of the transparency log does not cosign."""

from __future__ import annotations

from domain.alerts.numbers import Number
from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import MEDIUM

AWAY = Number("seconds", 60, "seconds for which a witness may be away")

RULE = AlertRule(
    id="witness-away",
    title="A witness does not cosign",
    severity=MEDIUM,
    means="A witness of the transparency log is away or refuses to cosign; the summary says which, and its reason. Checkpoints "
    "go on, and are cosigned as long as enough others cosign. A second alert says that it cosigns again.",
    do="Ask whoever runs the witness. If it says that the log was put back, run `keytrail verify`.",
    references=(),
    kind=OnHealth(numbers=(AWAY,)),
)
