"""Makes every counter of an API worker exist with every value of its labels, at zero before the first event
(`services.metrics.count_from_zero` says why).

Where an API worker answers for all processes it makes what they count too, since it always runs; their counts are added to it. A
gauge is not a count: the process that measures it sets it when it starts. If no process measures it, zero would be a lie.
"""

from __future__ import annotations

from itertools import product

from domain.alerts.rules.table import RULES
from domain.alerts.severities import SEVERITIES
from services import metrics, signing
from services.metrics import WANTED
from services.operations.table import BY_NAME, OPERATIONS
from services.settings import Settings

EFFECTS = ("allowed", "refused", "not-answered", "failed")
NOT_ANSWERED = ("answer-failed", "decision-not-durable", "no-record", "not-fresh", "vault")


def exist(none_known: str, settings: Settings) -> None:
    """`none_known`: the label for calls whose operation does not exist."""
    for operation, effect in product((*BY_NAME, none_known), EFFECTS):
        metrics.CALLS.labels(operation, effect)
    # Histograms for all operations of IAM and STS would be most of the text; they appear with the first call.
    for operation in (*OPERATIONS, none_known):
        metrics.LATENCY.labels(operation)
    for kind in (signing.MISSING, signing.INCOMPLETE, signing.MISMATCH, signing.UNKNOWN):
        metrics.UNAUTHENTICATED.labels(kind)
    for reason in NOT_ANSWERED:
        metrics.NOT_ANSWERED.labels(reason)
    for process in metrics.MEASURED if metrics.shares_metrics() else ("api",):
        metrics.count_from_zero(process)
    for rule, severity in product(RULES, (*SEVERITIES, "suppressed")):
        metrics.ALERTS.labels(rule, severity)
    # Not zeros, but what tells a process that is missing from one that nobody wants: `keytrail doctor` reads the same settings.
    WANTED.labels("alerts").set(settings.alert_workers)
    WANTED.labels("notary").set(settings.notaries)
