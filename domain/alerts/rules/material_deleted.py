"""Imported key material was destroyed, or came to its end."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.log.events import MaterialExpired


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is None:
        return
    ended = isinstance(event, MaterialExpired)
    summary = (
        f"material {event.material} expired" if ended else f"{change.who} deleted material {event.material}"
    ) + f"; the key is {event.state}"
    yield Finding(key.arn, summary, about=() if ended else (change.who,), **on_key(key))
