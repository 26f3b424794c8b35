"""A grant whose grantee may grant in turn."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None and "CreateGrant" in event.operations:
        summary = f"{event.grantee} may grant others: {', '.join(event.operations)}"
        yield Finding(event.grant, summary, about=(event.grantee,), **on_key(key))
