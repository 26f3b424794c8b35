"""An account's root was used."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCall
from domain.alerts.severities import LOW
from domain.durations import DAY_SECONDS


def judge(call: ObservedCall) -> Iterator[Finding]:
    if call.is_root:
        summary = f"{call.principal} called {call.operation} from {call.source}"
        yield Finding(call.principal, summary, call.account, about=(call.principal,))


RULE = AlertRule(
    id="root-used",
    title="Account root used",
    severity=LOW,
    means="No policy limits the root, which is meant for tasks that nobody else can do. Reported once a day.",
    do="Use a role for daily work.",
    references=("CIS 1.7", "CIS 4.3", "T1078.004"),
    kind=OnCall(judge, every=DAY_SECONDS),
)
