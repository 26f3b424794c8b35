"""Records are not leaves of the transparency log yet."""

from __future__ import annotations

from domain.alerts.numbers import Number
from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import MEDIUM

LAG = Number("seconds", 30, "seconds within which a record has to become a leaf")

RULE = AlertRule(
    id="notary-behind",
    title="The notary is behind",
    severity=MEDIUM,
    means="Records are not in the transparency log yet, so nothing outside Keytrail binds them. A second alert says that the "
    "notary has caught up.",
    do="Look whether a notary runs (`keytrail status`), and at its log. The alert `notary-stopped` says why one stopped.",
    references=(),
    kind=OnHealth(numbers=(LAG,)),
)
