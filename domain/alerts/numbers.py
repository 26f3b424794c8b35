"""Thresholds of rules: what the settings file may change, with what holds where it says nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """A threshold with what it means; the settings file may change it."""

    default: int
    meaning: str


DAY = 86_400
WINDOW, THRESHOLD = "window", "threshold"

RECENT_USE = {"days": Number(30, "a key that was used in so many days is in use")}
GIVEN_BACK = {"seconds": Number(DAY, "for so long after a policy change a grant must not give back what it took")}
EXPIRES_SOON = {"days": Number(7, "material that expires within so many days is told of")}
GRANTS = {THRESHOLD: Number(10, "grants by one principal"), WINDOW: Number(600, "seconds")}
DENIED = {THRESHOLD: Number(20, "refused calls of one principal"), WINDOW: Number(60, "seconds")}
ENUMERATION = {THRESHOLD: Number(10, "keys that one principal was refused"), WINDOW: Number(600, "seconds")}
FIRST_USE = {"age": Number(7 * DAY, "seconds that a key is old before a new principal is told of")}
LAG = {"seconds": Number(30, "seconds that judging may be behind")}
CLOCK = {"seconds": Number(5, "seconds that the writer's clock may stand back")}
