"""One principal was refused many keys."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Occurrence
from domain.alerts.numbers import threshold, window
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCountedCalls
from domain.alerts.severities import HIGH
from domain.arn import account_in


def occurrences(call: ObservedCall) -> Iterator[Occurrence]:
    """Counts keys of the caller's own account. For keys of another account, the alert would reveal how many that account
    has; those calls count only as refused calls."""
    if call.denied:
        for key in call.keys:
            if account_in(key) == call.account:
                yield Occurrence(call.who, call.account, key)


def found(occurrence: Occurrence, count: int, seconds: int) -> Finding:
    summary = f"{occurrence.subject} was refused {count} keys or more within {seconds} s"
    return Finding(occurrence.subject, summary, occurrence.account, about=(occurrence.subject,))


RULE = AlertRule(
    id="enumeration",
    title="Many keys tried and refused",
    severity=HIGH,
    means="A principal tried many keys that it has no access to.",
    do="Disable the credential until you know who holds it.",
    references=("T1580", "T1526"),
    kind=OnCountedCalls(occurrences, found, threshold(10, "keys that one principal was refused"), window(600)),
)
