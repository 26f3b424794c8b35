"""Whether a key was used lately, for the rules that ask it."""

from __future__ import annotations

from domain.alerts.change import Change
from domain.alerts.numbers import RECENT_USE
from domain.keys.key import DAY


def ago(change: Change, rule: str) -> int | None:
    """How many days ago the key was used last; None where that is long ago."""
    days = change.number(rule, RECENT_USE, "days")
    used = change.facts.used
    return (change.at - used) // DAY if used and change.at - used <= days * DAY else None
