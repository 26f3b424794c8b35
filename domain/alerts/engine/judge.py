"""Applies the rules to records. An alert's id follows from the rule and the record, so a second delivery changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, assert_never

from domain.alerts.change import Change
from domain.alerts.engine.alert import Alert
from domain.alerts.finding import Finding, Occurrence
from domain.alerts.health import Health
from domain.alerts.numbers import Numbers
from domain.alerts.observed_call import ObservedCall
from domain.alerts.rule import (
    AlertRule,
    OnCall,
    OnChange,
    OnCountedCalls,
    OnFirstUse,
    OnHealth,
    OnMeasuredChange,
    OnTime,
)
from domain.alerts.rules import key_policy_unclear, rule_failed
from domain.alerts.rules.table import RULES
from domain.alerts.settings import AlertSettings
from domain.alerts.severities import SEVERITIES
from domain.durations import SECOND_MICROS
from domain.keys.key import Key
from domain.log.events import KeyCreated, PolicyReplaced
from domain.policy_analysis.budget import Budget, OutOfSteps, spending

REMEMBERED = 2_048
"""The number of different calls that a judge remembers at once."""


@dataclass(slots=True)  # made for many calls
class Candidate:
    """An alert is raised when `threshold` of these have come in the window that begins at `start` (seconds). `item`: see
    Occurrence."""

    rule: AlertRule
    subject: str
    start: int
    window: int
    threshold: int
    item: str
    occurrence: Occurrence | None
    finding: Finding | None

    @property
    def window_of(self) -> tuple[str, str, int]:
        return self.rule.id, self.subject, self.start


class _Countable(NamedTuple):
    """A candidate without its window: what a call counts towards, whatever its time. See Candidate."""

    rule: AlertRule
    subject: str
    window: int
    threshold: int
    item: str
    occurrence: Occurrence | None
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class _CallsAlike:
    """What all calls that differ only in time, id and tags count towards."""

    counts: list[_Countable]
    pairs: list[tuple[AlertRule, str, str]]


@dataclass(slots=True)
class Pair:
    """A principal and a key; this may be the first call with both."""

    rule: AlertRule
    principal: str
    key: str
    call: ObservedCall
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JudgedChange:
    """The alerts of a change. `unfinished`: the budget ended before every rule was asked."""

    alerts: list[Alert]
    unfinished: bool


@dataclass(frozen=True, slots=True)
class _ChangeRule:
    """A rule on changes. `compares`: it judges only the replacement of a policy, never a key's first policy."""

    rule: AlertRule
    judge: Callable[[Change], Iterator[Finding]]
    compares: bool = False
    costly: bool = False
    by_text: Callable[[Change], Iterator[Finding]] | None = None


@dataclass(slots=True)
class Judge:
    """Every rule that is on under the settings. `log` names the log whose records are judged."""

    log: str
    settings: AlertSettings = field(default_factory=AlertSettings)
    region: str = ""
    _on_change: dict[type, list[_ChangeRule]] = field(default_factory=dict)
    _on_call: list[tuple[AlertRule, OnCall]] = field(default_factory=list)
    _counted: list[tuple[AlertRule, OnCountedCalls, int, int]] = field(default_factory=list)
    _first: list[tuple[AlertRule, OnFirstUse]] = field(default_factory=list)
    _on_time: list[tuple[AlertRule, OnTime, Numbers]] = field(default_factory=list)
    _calls_alike: dict[tuple[Any, ...], _CallsAlike] = field(default_factory=dict)
    least_age: int = 0
    """A principal's first use of a key is found only if the key is at least so many seconds old."""

    def __post_init__(self) -> None:
        for rule in RULES.values():
            if not self.settings.of(rule).off:
                self._add(rule, self.settings.numbers_of(rule))

    def _add(self, rule: AlertRule, numbers: Numbers) -> None:
        match rule.kind:
            case OnChange() as kind:
                compares = PolicyReplaced in kind.on and KeyCreated not in kind.on
                self._add_on_change(kind.on, _ChangeRule(rule, kind.judge, compares, kind.costly, kind.by_text))
            case OnMeasuredChange() as kind:
                self._add_on_change(kind.on, _ChangeRule(rule, _with(numbers, kind.judge)))
            case OnCall() as kind:
                self._on_call.append((rule, kind))
            case OnCountedCalls() as kind:
                self._counted.append((rule, kind, max(1, numbers[kind.window]), max(1, numbers[kind.threshold])))
            case OnFirstUse() as kind:
                self._first.append((rule, kind))
                self.least_age = numbers[kind.age]
            case OnTime() as kind:
                self._on_time.append((rule, kind, numbers))
            case OnHealth():
                pass  # of_health is given the rule
            case _:
                assert_never(rule.kind)

    def _add_on_change(self, events: tuple[type, ...], rule: _ChangeRule) -> None:
        for event in events:
            self._on_change.setdefault(event, []).append(rule)

    def asks(self, event: object) -> bool:
        """Whether any rule judges such an event."""
        return type(event) in self._on_change

    def of_change(self, change: Change, source: Mapping[str, Any]) -> list[Alert]:
        """Asks every rule, without a budget."""
        return self.within(change, source, Budget(None)).alerts

    def within(self, change: Change, source: Mapping[str, Any], budget: Budget) -> JudgedChange:
        """Asks all cheap rules, then the costly ones as far as the budget reaches. When it ends, the alerts say what the
        texts show, and that the rest is not known."""
        found: dict[str, list[Alert]] = {}
        waiting: list[_ChangeRule] = []
        asked = self._asked(change)
        for each in asked:
            if each.costly:
                waiting.append(each)
            else:
                found[each.rule.id] = self._by(each, change, source)
        try:
            with spending(budget):
                while waiting:
                    found[waiting[0].rule.id] = self._by(waiting[0], change, source)
                    del waiting[0]
        except OutOfSteps:
            found |= self._by_text(waiting, change, source)
        return JudgedChange([alert for each in asked for alert in found.get(each.rule.id, ())], bool(waiting))

    def _asked(self, change: Change) -> list[_ChangeRule]:
        if change.assumed or (isinstance(change.event, KeyCreated) and change.event.manager):
            return []  # nobody did this: a trail had to assume it, or it is the documented policy of a service's key
        rules = self._on_change.get(type(change.event), [])
        return [each for each in rules if not each.compares] if change.made else rules

    def _by(self, asked: _ChangeRule, change: Change, source: Mapping[str, Any]) -> list[Alert]:
        """A rule that fails raises an alert, and keeps no other from judging. Beside it stands what the rule had found until
        then, or what the texts show. Raises OutOfSteps."""
        found: list[Alert] = []
        fault = self._add_found(found, asked.rule, asked.judge, change, source)
        if fault is None:
            return found
        if asked.by_text is not None and not found:
            self._add_found(found, asked.rule, asked.by_text, change, source)
        summary = f"{asked.rule.id} could not judge the record @{change.position}: {type(fault).__name__}"
        where = f"{asked.rule.id}@{change.position}"
        return [*found, *self.of_health(Health(rule_failed.RULE, where, change.at, summary))]

    def _add_found(
        self,
        found: list[Alert],
        rule: AlertRule,
        judge: Callable[[Change], Iterator[Finding]],
        change: Change,
        source: Mapping[str, Any],
    ) -> Exception | None:
        """Returns the fault that ended it early. Raises OutOfSteps."""
        try:
            for each in judge(change):
                known = {**source, **change.deed(each.account)} if source else source
                found.append(self.alert(rule, each, f"@{change.position}", change.at, known))
        except OutOfSteps:
            raise
        except Exception as fault:  # noqa: BLE001  # whatever it is: nobody else tells of this record
            return fault
        return None

    def _by_text(
        self, left: Sequence[_ChangeRule], change: Change, source: Mapping[str, Any]
    ) -> dict[str, list[Alert]]:
        found = {}
        worst = max((self.settings.of(each.rule).severity or each.rule.severity for each in left), key=SEVERITIES.index)
        for each in left:
            if each.by_text is not None:
                found[each.rule.id] = self._by(replace(each, judge=each.by_text, by_text=None), change, source)
            if each.rule is key_policy_unclear.RULE:
                not_yet = partial(key_policy_unclear.not_yet, severity=worst)
                found[each.rule.id] = self._by(replace(each, judge=not_yet), change, source)
        return found

    def of_health(self, health: Health) -> list[Alert]:
        """The alert about something that Keytrail noticed, unless its rule is off."""
        if self.settings.of(health.rule).off:
            return []
        return [self.alert(health.rule, Finding(health.where, health.summary, ""), "", health.at, {})]

    def candidates(self, call: ObservedCall) -> list[Candidate]:
        """What the call counts towards."""
        seconds = call.at // SECOND_MICROS
        return [
            Candidate(rule, subject, seconds // window * window, window, threshold, item, occurrence, finding)
            for rule, subject, window, threshold, item, occurrence, finding in self._alike(call).counts
        ]

    def _alike(self, call: ObservedCall) -> _CallsAlike:
        """A caller makes the same call again and again: of equal calls, one is judged."""
        name = (
            call.principal, call.role, call.account, call.access_key, call.operation, call.keys, call.refused, call.source,
            call.via,
        )  # fmt: skip
        found = self._calls_alike.get(name)
        if found is None:
            if len(self._calls_alike) >= REMEMBERED:
                self._calls_alike.clear()
            found = self._calls_alike[name] = self._judged(call)
        return found

    def _judged(self, call: ObservedCall) -> _CallsAlike:
        counts: list[_Countable] = []
        for rule, kind in self._on_call:
            counts += [_Countable(rule, each.subject, kind.every, 1, "", None, each) for each in kind.judge(call)]
        for rule, counted, window, threshold in self._counted:
            for occurrence in counted.occurrences(call):
                counts.append(
                    _Countable(rule, occurrence.subject, window, threshold, occurrence.item, occurrence, None)
                )
        return _CallsAlike(counts, [(rule, *pair) for rule, first in self._first for pair in first.pairs(call)])

    def timed(self, key: Key, now: int) -> Iterator[Candidate]:
        """What a key raises at this time; each moment that a finding is about counts once."""
        for rule, kind, numbers in self._on_time:
            for moment, finding in kind.judge(key, now, numbers):
                yield Candidate(rule, finding.subject, moment // SECOND_MICROS, 0, 1, "", None, finding)

    def reached(self, candidate: Candidate, at: int, source: Mapping[str, Any]) -> Alert:
        """The alert of a window that has reached its threshold, with the record that completed it."""
        finding = candidate.finding
        if finding is None:
            kind = candidate.rule.kind
            assert isinstance(kind, OnCountedCalls), "others bring their finding"
            assert candidate.occurrence is not None, "an alert without a finding comes from an occurrence"
            finding = kind.found(candidate.occurrence, candidate.threshold, candidate.window)
        return self.alert(candidate.rule, finding, f"~{candidate.start}", at, _with_caller(source, finding))

    def pairs(self, call: ObservedCall, source: Mapping[str, Any]) -> list[Pair]:
        return [Pair(rule, principal, key, call, source) for rule, principal, key in self._alike(call).pairs]

    def first(self, pair: Pair, key_created: int) -> Alert | None:
        """The alert of a pair that came for the first time; None if the key is too young."""
        if pair.call.at - key_created < self.least_age * SECOND_MICROS:
            return None
        kind = pair.rule.kind
        assert isinstance(kind, OnFirstUse), "a pair is of such a rule"
        finding = kind.found(pair.call, pair.key)
        return self.alert(pair.rule, finding, "", pair.call.at, _with_caller(pair.source, finding))

    def alert(self, rule: AlertRule, finding: Finding, where: str, at: int, source: Mapping[str, Any]) -> Alert:
        severity = self.settings.of(rule).severity or finding.severity or rule.severity
        suppressed = self.settings.suppression(rule, finding, at)
        return Alert(self.log, rule, severity, finding, where, at, source, suppressed)


def _with(
    numbers: Numbers, judge: Callable[[Change, Numbers], Iterator[Finding]]
) -> Callable[[Change], Iterator[Finding]]:
    return lambda change: judge(change, numbers)


def _with_caller(source: Mapping[str, Any], finding: Finding) -> Mapping[str, Any]:
    """A finding about one principal names it as the author, in the form that the alert's account may see."""
    return {**source, "by": finding.about[0]} if source and len(finding.about) == 1 else source
