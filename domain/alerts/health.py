"""What Keytrail notices about itself while it follows the log."""

from __future__ import annotations

from dataclasses import dataclass

from domain.alerts.rule import AlertRule


@dataclass(frozen=True, slots=True)
class Health:
    """`rule` says what this means; `where` separates events of the same rule; `at` is in microseconds."""

    rule: AlertRule
    where: str
    at: int
    summary: str
