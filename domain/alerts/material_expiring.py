"""Imported key material that expires soon."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.numbers import EXPIRES_SOON
from domain.keys.key import DAY
from domain.trail.codec import micros


def judge(change: Change) -> Iterator[Finding]:
    """Of material that comes in with little time left; what comes to its end later is found by `soon`."""
    key, event = change.key, change.event
    if key is None or not event.valid_to:
        return
    days = change.number("material-expiring", EXPIRES_SOON, "days")
    if micros(event.valid_to) - change.at <= days * DAY:
        summary = f"material {event.material} expires at {event.valid_to}"
        yield Finding(f"{key.arn}#{event.material}", summary, about=(change.caller,), **on_key(key))
