"""A key is to be deleted after the shortest time that there is."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding

SHORTEST = 7
"""Days (API reference, ScheduleKeyDeletion)."""


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None and event.days <= SHORTEST:
        summary = f"{change.who} chose {event.days} days, the shortest that there is; deleted at {event.due}"
        yield Finding(key.arn, summary, about=(change.who,), **on_key(key))
