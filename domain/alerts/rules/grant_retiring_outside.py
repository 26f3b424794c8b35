"""A grant that a principal of another account may retire."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.arn import account_in
from domain.log.events import GrantCreated


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None and event.retiring and account_in(event.retiring) != key.account:
        summary = f"{event.retiring}, who is not of account {key.account}, may retire the grant of {event.grantee}"
        yield Finding(event.grant, summary, about=(event.retiring,), **on_key(key))


RULE = AlertRule(
    id="grant-retiring-outside",
    title="Retiring principal outside the account",
    severity=MEDIUM,
    means="Somebody in another account can end the grant, and everything that depends on it.",
    do="Name a retiring principal of the account.",
    references=("T1531",),
    kind=OnChange(judge, on=(GrantCreated,)),
)
