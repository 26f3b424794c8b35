"""Every metric exists with every value of its labels, at zero before the first event: an alarm on a rate then sees the
first event, and a metric that nothing has written yet is not taken for one that does not exist (Prometheus,
instrumentation: avoid missing metrics).

The API has every counter made, since it always runs; what another process counts is added up over the processes. A gauge is no
count: whoever measures it sets it as soon as it runs, and where nobody measures, zero would be a lie.
"""

from __future__ import annotations

from itertools import product

from domain.alerts.rules.table import RULES
from domain.alerts.severities import SEVERITIES
from services import metrics, signing
from services.adapters.alerts_file import APPRISE, WEBHOOK
from services.operations.table import BY_NAME, OPERATIONS

EFFECTS = ("allowed", "refused", "not-answered", "failed")
NOT_ANSWERED = ("answer-failed", "decision-not-durable", "no-record", "not-fresh", "vault")
PROCESSES = ("alerts", "api", "commands", "projector", "writer")
OUTCOMES = ("dead", "delivered", "failed")


def exist(none_known: str) -> None:
    """`none_known`: the label of a call whose operation does not exist."""
    for operation, effect in product((*BY_NAME, none_known), EFFECTS):
        metrics.CALLS.labels(operation, effect)
    # The histogram of every operation of IAM and STS would be most of the text; they come with their first call.
    for operation in (*OPERATIONS, none_known):
        metrics.LATENCY.labels(operation)
    for kind in (signing.MISSING, signing.INCOMPLETE, signing.MISMATCH, signing.UNKNOWN):
        metrics.UNAUTHENTICATED.labels(kind)
    for reason in NOT_ANSWERED:
        metrics.NOT_ANSWERED.labels(reason)
    for process in PROCESSES:
        metrics.VOIDS.labels(process)
    for rule, severity in product(RULES, (*SEVERITIES, "suppressed")):
        metrics.ALERTS.labels(rule, severity)
    for kind, outcome in product((WEBHOOK, APPRISE), OUTCOMES):
        metrics.NOTIFICATIONS.labels(kind, outcome)
