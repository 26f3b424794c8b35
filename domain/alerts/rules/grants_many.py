"""Many grants in a short time."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding, Tick
from domain.alerts.numbers import threshold, window
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import AlertRule, OnCountedCalls
from domain.alerts.severities import MEDIUM


def ticks(call: ObservedCall) -> Iterator[Tick]:
    if call.operation == "CreateGrant" and not call.refused:
        yield Tick(call.who, call.account)


def found(tick: Tick, count: int, seconds: int) -> Finding:
    summary = f"{tick.subject} made {count} grants or more within {seconds} s"
    return Finding(tick.subject, summary, tick.account, about=(tick.subject,))


RULE = AlertRule(
    id="grants-many",
    title="Many grants in a short time",
    severity=MEDIUM,
    means="One principal made more grants than usual: a faulty script, or somebody who prepares ways back in.",
    do="Look at `keytrail decisions --where operation=CreateGrant --where principal=ARN`.",
    references=("T1098.003",),
    kind=OnCountedCalls(ticks, found, threshold(10, "grants by one principal"), window(600)),
)
