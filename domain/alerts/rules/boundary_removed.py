"""A permissions boundary was taken away."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.log.identity_events import BoundarySet


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    identity = change.world.directory.identities[event.id]
    if not event.policy and identity.boundary:
        summary = f"{change.who} removed the boundary {identity.boundary} of {identity.arn}"
        yield Finding(identity.arn, summary, event.account, about=(identity.arn,))


RULE = AlertRule(
    id="boundary-removed",
    title="Permissions boundary removed",
    severity=HIGH,
    means="Nothing limits any more what the identity's policies can allow.",
    do="Put the boundary back.",
    references=("T1548.005",),
    kind=OnChange(judge, on=(BoundarySet,)),
)
