"""A key is to be deleted."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None:
        yield Finding(key.arn, f"deleted at {event.due}, in {event.days} days", about=(change.who,), **on_key(key))
