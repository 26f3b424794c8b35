"""What Keytrail notices about itself while it follows the log."""

from __future__ import annotations

from dataclasses import dataclass

from domain.alerts.rule import AlertRule


@dataclass(frozen=True, slots=True)
class Health:
    """`rule` is the rule that says what this means; `where` tells it apart from others of the same rule; `at` is in
    microseconds."""

    rule: AlertRule
    where: str
    at: int
    summary: str
