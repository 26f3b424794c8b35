"""Many grants in a short time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Occurrence
from domain.alerts.numbers import threshold, window
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCountedCalls
from domain.alerts.severities import MEDIUM


def occurrences(call: ObservedCall) -> Iterator[Occurrence]:
    if call.operation == "CreateGrant" and not call.refused:
        yield Occurrence(call.who, call.account)


def found(occurrence: Occurrence, count: int, seconds: int) -> Finding:
    summary = f"{occurrence.subject} made {count} grants or more within {seconds} s"
    return Finding(occurrence.subject, summary, occurrence.account, about=(occurrence.subject,))


RULE = AlertRule(
    id="grants-many",
    title="Many grants in a short time",
    severity=MEDIUM,
    means="One principal made more grants than usual: a faulty script, or somebody who prepares ways back in.",
    do="Look at `keytrail decisions --where operation=CreateGrant --where principal=ARN`.",
    references=("T1098.003",),
    kind=OnCountedCalls(occurrences, found, threshold(10, "grants by one principal"), window(600)),
)
