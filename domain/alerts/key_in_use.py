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


def ago(days: int) -> str:
    """In words. Not "today": whether a use within the last 24 hours was today depends on the reader's time zone."""
    match days:
        case 0:
            return "less than a day ago"
        case 1:
            return "a day ago"
        case _:
            return f"{days} days ago"
