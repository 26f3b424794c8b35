"""Whether a key was used lately, for the rules that need it."""

from __future__ import annotations

from domain.alerts.change import Change
from domain.alerts.numbers import Number
from domain.durations import DAY_MICROS

USED_WITHIN = Number("days", 30, "a key that was used in so many days is in use")


def days_since_use(change: Change, within: int) -> int | None:
    """How many days ago the key was last used; None if that is more than `within` days ago."""
    used = change.facts.used
    return (change.at - used) // DAY_MICROS if used and change.at - used <= within * DAY_MICROS else None
