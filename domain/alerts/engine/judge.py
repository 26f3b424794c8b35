"""Rules held to records: alerts with names that follow from rule and record, so that redelivery changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.alerts.change import Change
from domain.alerts.finding import Finding, Tick
from domain.alerts.health import NOT_JUDGED, Health
from domain.alerts.numbers import FIRST_USE, THRESHOLD, WINDOW
from domain.alerts.rule import Counted, First, OnChange, OnHealth, OnTime, OnUse, Rule
from domain.alerts.rules import key_policy_unclear
from domain.alerts.rules.table import RULES
from domain.alerts.settings import AlertSettings
from domain.alerts.severities import SEVERITIES
from domain.alerts.use import Use
from domain.keys.key import Key
from domain.log.codec import rfc3339
from domain.log.events import KeyCreated, PolicyReplaced
from domain.policy_analysis.budget import Budget, OutOfSteps, spending

SECOND = 1_000_000
UNCLEAR = "key-policy-unclear"
VERSION = 1
CASES = 2_048
"""How many cases a judge remembers at once."""


@dataclass(frozen=True, slots=True)
class Alert:
    """`where` names what raised it: `@position`, a window's begin, or "" where the subject says it all. `source` is the
    record (topic, partition, offset, call) that it was found on, with who did it (`by`) and of a change its operation, position
    and versions; {} for what is found of Keytrail itself."""

    log: str
    rule: Rule
    severity: str
    finding: Finding
    where: str
    at: int
    source: Mapping[str, Any]
    suppressed: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        named = "\n".join((self.log, self.rule.id, self.where, self.finding.subject))
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    def document(self) -> dict[str, Any]:
        finding = self.finding
        return {
            "v": VERSION,
            "id": self.id,
            "log": self.log,
            "rule": self.rule.id,
            "title": self.rule.title,
            "severity": self.severity,
            "at": rfc3339(self.at),
            "account": finding.account,
            "key": finding.key,
            "subject": finding.subject,
            "about": list(finding.about),
            "summary": finding.summary,
            "evidence": dict(finding.evidence),
            "source": dict(self.source),
            "suppressed": None if self.suppressed is None else dict(self.suppressed),
        }


@dataclass(slots=True)  # made for many calls
class Candidate:
    """What is raised when `threshold` of it have come in the window that begins at `start` (seconds). `item`: see Tick."""

    rule: Rule
    subject: str
    start: int
    window: int
    threshold: int
    item: str
    tick: Tick | None
    finding: Finding | None

    @property
    def window_of(self) -> tuple[str, str, int]:
        return self.rule.id, self.subject, self.start


_Count = tuple[Rule, str, int, int, str, Tick | None, Finding | None]


@dataclass(frozen=True, slots=True)
class _Case:
    """What calls that differ in time, call id and tags alone count towards: what candidates and pairs have in common."""

    counts: list[_Count]
    pairs: list[tuple[Rule, str, str]]


@dataclass(slots=True)
class Pair:
    """A principal and a key that may have come together for the first time."""

    rule: Rule
    principal: str
    key: str
    use: Use
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of a change. `unfinished`: the budget ended before every rule was asked."""

    alerts: list[Alert]
    unfinished: bool


@dataclass(slots=True)
class Judge:
    """Every rule that is on, under one state of the settings. `log` names the log whose records are judged."""

    log: str
    settings: AlertSettings = field(default_factory=AlertSettings)
    region: str = ""
    _on_change: dict[type, list[tuple[Rule, OnChange]]] = field(default_factory=dict)
    _on_use: list[tuple[Rule, OnUse]] = field(default_factory=list)
    _counted: list[tuple[Rule, Counted, int, int]] = field(default_factory=list)
    _first: list[tuple[Rule, First]] = field(default_factory=list)
    _on_time: list[tuple[Rule, OnTime]] = field(default_factory=list)
    _on_health: list[tuple[Rule, OnHealth]] = field(default_factory=list)
    _cases: dict[tuple[Any, ...], _Case] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for rule in RULES.values():
            own = self.settings.of(rule.id)
            if own.off:
                continue
            match rule.kind:
                case OnChange() as kind:
                    for event in kind.on:
                        self._on_change.setdefault(event, []).append((rule, kind))
                case OnUse() as kind:
                    self._on_use.append((rule, kind))
                case Counted() as kind:
                    window = max(1, self.number(rule, WINDOW))
                    self._counted.append((rule, kind, window, max(1, self.number(rule, THRESHOLD))))
                case First() as kind:
                    self._first.append((rule, kind))
                case OnTime() as kind:
                    self._on_time.append((rule, kind))
                case OnHealth() as kind:
                    self._on_health.append((rule, kind))

    def number(self, rule: Rule, name: str) -> int:
        return self.settings.number(rule.id, name, rule.numbers[name].default)

    @property
    def first_age(self) -> int:
        """Seconds that a key has to be old before a new principal is told of."""
        return self.settings.number("first-use", "age", FIRST_USE["age"].default)

    def asks(self, event: object) -> bool:
        """Whether any rule looks at such an event."""
        return type(event) in self._on_change

    def of_change(self, change: Change, source: Mapping[str, Any]) -> list[Alert]:
        """Every rule asked to the end."""
        return self.within(change, source, Budget(None)).alerts

    def within(self, change: Change, source: Mapping[str, Any], budget: Budget) -> Judged:
        """Rules that are cheap are asked in any case, first; the others as far as the budget goes. Where it ends, what
        their texts show is told, and that the rest is not known."""
        found: dict[str, list[Alert]] = {}
        waiting: list[tuple[Rule, OnChange]] = []
        rules = self._asked(change)
        for rule, kind in rules:
            if kind.costly:
                waiting.append((rule, kind))
            else:
                found[rule.id] = self._by(rule, kind.judge, change, source)
        try:
            with spending(budget):
                while waiting:
                    rule, kind = waiting[0]
                    found[rule.id] = self._by(rule, kind.judge, change, source)
                    del waiting[0]
        except OutOfSteps:
            self._by_text(waiting, change, source, found)
        return Judged([alert for rule, _ in rules for alert in found.get(rule.id, ())], bool(waiting))

    def _asked(self, change: Change) -> list[tuple[Rule, OnChange]]:
        if change.assumed or (isinstance(change.event, KeyCreated) and change.event.manager):
            return []  # done by nobody: what a trail had to assume, the documented policy of a service's key
        return [
            (rule, kind)
            for rule, kind in self._on_change.get(type(change.event), ())
            # The others compare with a policy that there was.
            if not (change.made and PolicyReplaced in kind.on and KeyCreated not in kind.on)
        ]

    def _by(
        self, rule: Rule, judge: Callable[[Change], Iterator[Finding]], change: Change, source: Mapping[str, Any]
    ) -> list[Alert]:
        """Raises OutOfSteps."""
        try:
            findings = list(judge(change))
        except OutOfSteps:
            raise
        except Exception as fault:  # noqa: BLE001  # a rule that fails is told of, and keeps no other from judging
            summary = f"{rule.id} could not judge the record @{change.position}: {type(fault).__name__}"
            return self.of_health(Health(NOT_JUDGED, f"{rule.id}@{change.position}", change.at, summary))
        at = f"@{change.position}"
        return [
            self.alert(rule, each, at, change.at, {**source, **change.deed(each.account)} if source else source)
            for each in findings
        ]

    def _by_text(
        self,
        left: Sequence[tuple[Rule, OnChange]],
        change: Change,
        source: Mapping[str, Any],
        found: dict[str, list[Alert]],
    ) -> None:
        worst = max((self.settings.of(rule.id).severity or rule.severity for rule, _ in left), key=SEVERITIES.index)
        for rule, kind in left:
            if kind.by_text is not None:
                found[rule.id] = self._by(rule, kind.by_text, change, source)
            if rule.id == UNCLEAR:
                found[rule.id] = self._by(rule, lambda each: key_policy_unclear.not_yet(each, worst), change, source)

    def of_health(self, health: Health) -> list[Alert]:
        return [
            self.alert(rule, Finding(health.where, health.summary, ""), "", health.at, {})
            for rule, kind in self._on_health
            if kind.seen == health.kind
        ]

    def candidates(self, use: Use) -> list[Candidate]:
        """What of a call counts towards an alert."""
        seconds = use.at // SECOND
        return [
            Candidate(rule, subject, seconds // window * window, window, threshold, item, tick, finding)
            for rule, subject, window, threshold, item, tick, finding in self._case(use).counts
        ]

    def _case(self, use: Use) -> _Case:
        """A caller makes the same call again and again: each is judged once."""
        name = (use.principal, use.account, use.access_key, use.operation, use.keys, use.refused, use.source, use.via)
        found = self._cases.get(name)
        if found is None:
            if len(self._cases) >= CASES:
                self._cases.clear()
            found = self._cases[name] = self._judged(use)
        return found

    def _judged(self, use: Use) -> _Case:
        counts: list[_Count] = []
        for rule, kind in self._on_use:
            counts += [(rule, each.subject, kind.every, 1, "", None, each) for each in kind.judge(use)]
        for rule, counted, window, threshold in self._counted:
            counts += [(rule, each.subject, window, threshold, each.item, each, None) for each in counted.ticks(use)]
        return _Case(counts, [(rule, *pair) for rule, first in self._first for pair in first.pairs(use)])

    def timed(self, key: Key, now: int) -> Iterator[Candidate]:
        """What is to be told of a key now, once for each thing that it is of."""
        for rule, kind in self._on_time:
            for moment, finding in kind.judge(key, now, self.settings):
                yield Candidate(rule, finding.subject, moment // SECOND, 0, 1, "", None, finding)

    def reached(self, candidate: Candidate, at: int, source: Mapping[str, Any]) -> Alert:
        """The alert of a window that has enough, with the record at which it had."""
        finding = candidate.finding
        if finding is None:
            kind = candidate.rule.kind
            assert isinstance(kind, Counted), "others bring their finding"
            assert candidate.tick is not None, "a counted one is a tick"
            finding = kind.found(candidate.tick, candidate.threshold, candidate.window)
        return self.alert(candidate.rule, finding, f"~{candidate.start}", at, _with_caller(source, finding))

    def pairs(self, use: Use, source: Mapping[str, Any]) -> list[Pair]:
        return [Pair(rule, principal, key, use, source) for rule, principal, key in self._case(use).pairs]

    def first(self, pair: Pair, key_created: int) -> Alert | None:
        """The alert of a pair that has come for the first time; None while the key is too young."""
        if pair.use.at - key_created < self.first_age * SECOND:
            return None
        kind = pair.rule.kind
        assert isinstance(kind, First), "a pair is of such a rule"
        finding = kind.found(pair.use, pair.key)
        return self.alert(pair.rule, finding, "", pair.use.at, _with_caller(pair.source, finding))

    def alert(self, rule: Rule, finding: Finding, where: str, at: int, source: Mapping[str, Any]) -> Alert:
        own = self.settings.of(rule.id)
        severity = own.severity or finding.severity or rule.severity
        suppressed = self.settings.suppression(rule.id, finding, at)
        return Alert(self.log, rule, severity, finding, where, at, source, suppressed)


def _with_caller(source: Mapping[str, Any], finding: Finding) -> Mapping[str, Any]:
    """A rule on calls is about who called, as the alert's account is told of them."""
    return {**source, "by": finding.about[0]} if source and len(finding.about) == 1 else source
