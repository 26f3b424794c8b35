"""The settings of the alerts: rules that are off, severities, thresholds, and allowed findings with a reason and an end.

An allowed finding is still recorded, with the entry that allowed it. An entry past its end allows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from domain.alerts.finding import Finding
from domain.alerts.numbers import Numbers
from domain.alerts.rule import AlertRule
from domain.policy.glob import compile_glob

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Allow:
    """`rule` is a rule's id or `*`; principal and key are patterns with `*` and `?`; `tag` is NAME or NAME=VALUE of the
    key. An empty field matches everything; one of the three is given. `expires` is in microseconds since the epoch."""

    rule: str
    reason: str
    expires: int
    principal: str = ""
    key: str = ""
    tag: str = ""

    def covers(self, rule: str, finding: Finding, at: int) -> bool:
        if self.rule not in (EVERY, rule) or at >= self.expires:
            return False
        if self.principal:
            matches = compile_glob(self.principal)
            # The entry must match all principals: the finding stands if one of them is not allowed.
            if not finding.about or not all(matches(each) for each in finding.about):
                return False
        if self.key and not (finding.key and self._is_of(finding.key)):
            return False
        return not self.tag or self._is_tagged(finding.tags)

    def _is_of(self, key: str) -> bool:
        matches = compile_glob(self.key)
        return matches(key) or matches(key.rpartition("/")[2])

    def _is_tagged(self, tags: Mapping[str, str]) -> bool:
        name, equals, value = self.tag.partition("=")
        found = {each.lower(): its for each, its in tags.items()}.get(name.lower())
        return found is not None and (not equals or found == value)

    def document(self) -> dict[str, str]:
        asked = {name: getattr(self, name) for name in ("principal", "key", "tag") if getattr(self, name)}
        until = datetime.fromtimestamp(self.expires / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
        return {"rule": self.rule, **asked, "reason": self.reason, "expires": until}


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
