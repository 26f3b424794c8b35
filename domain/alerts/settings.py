"""The settings of the alerts: rules that are off, severities, thresholds, and the allow-list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.alerts.allow import Allow
from domain.alerts.finding import Finding
from domain.alerts.numbers import Numbers
from domain.alerts.rule import AlertRule


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """`numbers` are those that the file sets, by name."""

    off: bool = False
    severity: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)


UNCHANGED = RuleSettings()


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """`known_accounts` are accounts that may share a key, besides the accounts that are hosted here."""

    rules: Mapping[str, RuleSettings] = field(default_factory=dict)
    allow: tuple[Allow, ...] = ()
    known_accounts: frozenset[str] = frozenset()

    def of(self, rule: AlertRule) -> RuleSettings:
        return self.rules.get(rule.id, UNCHANGED)

    def numbers_of(self, rule: AlertRule) -> Numbers:
        given = self.of(rule).numbers
        return {number: given.get(number.name, number.default) for number in rule.numbers}

    def suppression(self, rule: AlertRule, finding: Finding, at: int) -> Mapping[str, Any] | None:
        """The entry that allows a finding, in its recorded form; None if no entry does."""
        found = next((each for each in self.allow if each.covers(rule.id, finding, at)), None)
        return None if found is None else found.document()
