"""A grant lets its grantee create further grants."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.log.events import GrantCreated


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None and "CreateGrant" in event.operations:
        summary = f"{event.grantee} may grant others: {', '.join(event.operations)}"
        yield Finding(event.grant, summary, about=(event.grantee,), **on_key(key))


RULE = AlertRule(
    id="grant-may-grant",
    title="Grant that may create grants",
    severity=MEDIUM,
    means="The grantee can pass its access on to anybody.",
    do="Leave CreateGrant out unless a service needs it.",
    references=("T1098.003",),
    kind=OnChange(judge, on=(GrantCreated,)),
)
