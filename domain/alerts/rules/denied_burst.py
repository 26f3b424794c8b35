"""Many calls of one principal were refused in a short time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Occurrence
from domain.alerts.numbers import threshold, window
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCountedCalls
from domain.alerts.severities import MEDIUM


def occurrences(call: ObservedCall) -> Iterator[Occurrence]:
    if call.denied:
        yield Occurrence(call.who, call.account)


def found(occurrence: Occurrence, count: int, seconds: int) -> Finding:
    summary = f"{occurrence.subject} was refused {count} times or more within {seconds} s"
    return Finding(occurrence.subject, summary, occurrence.account, about=(occurrence.subject,))


RULE = AlertRule(
    id="denied-burst",
    title="Burst of refused calls",
    severity=MEDIUM,
    means="A principal was refused again and again: a faulty deployment, or somebody trying to find out what is allowed.",
    do="Look at `keytrail decisions --where principal=ARN --where effect=refused`.",
    references=("CIS 4.1", "T1078.004"),
    kind=OnCountedCalls(occurrences, found, threshold(20, "refused calls of one principal"), window(60)),
)
