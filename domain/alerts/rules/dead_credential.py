"""A call with a credential that is no longer valid."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCall
from domain.alerts.severities import HIGH
from domain.durations import DAY_SECONDS


def judge(call: ObservedCall) -> Iterator[Finding]:
    if call.dead:
        used = f"was used from {call.source} for {call.operation}"
        summary = f"{call.access_key} of {call.principal} {used}, and is disabled or gone"
        yield Finding(call.access_key, summary, call.account, about=(call.principal,))


RULE = AlertRule(
    id="dead-credential",
    title="Credential used that is disabled or deleted",
    severity=HIGH,
    means="Somebody still holds the credential: a forgotten deployment, or a stolen copy. Reported once a day.",
    do="Find the holder by its address.",
    references=("T1078.004",),
    kind=OnCall(judge, every=DAY_SECONDS),
)
