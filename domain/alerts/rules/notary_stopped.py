"""The notary found that a topic, a batch, its keys or what it published was changed."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import CRITICAL

RULE = AlertRule(
    id="notary-stopped",
    title="The notary stopped",
    severity=CRITICAL,
    means="Records that are leaves of the transparency log, the log itself, or when its keys sign, are not what they were. The "
    "summary names the place. No record becomes a leaf until it is put right.",
    do="Run `keytrail verify`, and do what the summary says, or bring back what it names from a backup.",
    references=("T1565", "T1070"),
    kind=OnHealth(),
)
