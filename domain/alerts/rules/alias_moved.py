"""An alias points to another key."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None:
        summary = f"{change.who} moved {event.alias} from key {event.previous_key} to {event.key}"
        yield Finding(event.alias, summary, about=(change.who,), **on_key(key))
