"""A grant to another account, or to a service."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.arn import account_in
from domain.log.events import GrantCreated


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is None:
        return
    account = account_in(event.grantee)
    if account != key.account:
        whom = f"account {account}" if account else "a service" if "." in event.grantee else "nobody known"
        summary = f"{change.who} granted {event.grantee} of {whom}: {', '.join(event.operations)}"
        yield Finding(
            event.grant,
            summary,
            about=(event.grantee,),
            evidence={"constraints": dict(event.constraints)},
            **on_key(key),
        )


RULE = AlertRule(
    id="grant-outside",
    title="Grant to another account or a service",
    severity=HIGH,
    means="A grant lets in somebody outside the account. Key policies do not show this.",
    do="Look at `aws kms list-grants --key-id KEY`; revoke the grant if nobody wanted it.",
    references=("T1199", "T1537"),
    kind=OnChange(judge, on=(GrantCreated,)),
)
