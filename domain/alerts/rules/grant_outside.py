"""A grant to another account, or to a service."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.grantee import account_of


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is None:
        return
    account = account_of(event.grantee)
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
