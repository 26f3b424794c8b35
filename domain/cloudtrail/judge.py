"""A call of a trail decided on what the trail knows: allowed, refused, or unknown with what is missing.

The order is that of `evaluate`, and every step has three answers: what a condition reads and nobody recorded makes its
statement one that may or may not match. What was answered then is evidence: a call that was let in was denied by nothing,
whatever was never seen; one that only a delegation could let in shows that an identity policy allowed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from domain.authorization.question import Resource
from domain.cloudtrail.denial import NEVER_SEEN
from domain.cloudtrail.record import TOLD
from domain.policy import unseen
from domain.policy.compile import DIRECT, ROLE, Permissions, Rule
from domain.policy.condition_keys import PARAMETERS, RESOURCE, row_of
from domain.policy.conditions import Test
from domain.policy.variables import Context, Variable, template

ALLOWED, REFUSED, UNKNOWN = "allowed", "refused", "unknown"
NO, MAYBE, YES = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as the trail has it. `context` is whole but for what was not recorded; `sure`: nothing is missing; `root`: the
    caller is an account's root, whom no identity policies limit."""

    action: str
    account: str
    names: Mapping[str, int]
    context: Context
    pairs: Mapping[str, str]
    sure: bool
    root: bool


@dataclass(frozen=True, slots=True)
class Known:
    """The policies of a caller, as far as they were seen; what was not stands in them as unseen.py has it."""

    identity: Permissions
    boundary: Permissions | None = None
    session: Permissions | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """`by` is the statement, grant or rule in the record's form; `missing`: in words, what would have to be known."""

    answer: str
    by: Mapping[str, Any]
    missing: tuple[str, ...] = ()


class _Missing:
    def __init__(self) -> None:
        self.words: dict[str, None] = {}

    def add(self, words: str) -> None:
        self.words[words] = None


def _is_known(key: str, asked: Asked, of_key: str) -> bool:
    """Whether the value, or the absence, of a condition key was recorded. `of_key`: what of the key was never seen."""
    if key in asked.context or asked.sure:
        return key != unseen.KEY.lower()
    row = row_of(key)
    if row is None:
        return False
    if row.source == PARAMETERS or key in TOLD or key == "kms:viaservice":
        return True
    if row.source == RESOURCE:
        return not of_key
    return False


@lru_cache(maxsize=10_000)
def _read_by(key: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The condition keys that a test reads, variables among them."""
    found = dict.fromkeys([key.lower()])
    for text in wanted:
        found |= dict.fromkeys(part.key for part in template(text, "2012-10-17") if isinstance(part, Variable))
    return tuple(found)


def _test(test: Test, asked: Asked, context: Context, of_key: str, missing: _Missing) -> int:
    for key in _read_by(test.key, tuple(test.wanted)):
        if key == unseen.KEY.lower():
            missing.add(test.wanted[0])
            return MAYBE
        if not _is_known(key, asked, of_key):
            missing.add(f"{test.key} of the request")
            return MAYBE
    return YES if test.holds(context) else NO


def _rule(rule: Rule, asked: Asked, arn: str, context: Context, of_key: str, missing: _Missing) -> int:
    """Whether a statement speaks of the call: who and action are known, Resource and Condition may not be."""
    if rule.elsewhere or rule.acts is None or not rule.acts(asked.action.lower()):
        return NO
    if rule.covers is not None and not rule.covers(arn, context):
        return NO
    if rule.tests is None:
        return YES if rule.denies else NO
    answer = YES
    told = _Missing()
    for test in rule.tests:
        found = _test(test, asked, context, of_key, told)
        if found == NO:
            return NO
        answer = min(answer, found)
    missing.words.update(told.words)
    return answer


Spoken = list[tuple[int, Rule]]


def _speaking(
    rules: Iterable[Rule],
    asked: Asked,
    arn: str,
    context: Context,
    of_key: str,
    denies: bool,
    missing: _Missing,
) -> Spoken:
    found = []
    for rule in rules:
        if rule.denies is denies and (rule.who is None or rule.who(asked.names)):
            answer = _rule(rule, asked, arn, context, of_key, missing)
            if answer:
                found.append((answer, rule))
    return found


@dataclass(frozen=True, slots=True)
class Evidence:
    """What follows from a call's having been let in: nothing denied it; where every way in led through identity policies,
    these allowed it (`identity`), and through boundary and session policy (`limits`)."""

    identity: bool
    limits: bool


@dataclass(frozen=True, slots=True)
class _Way:
    """A way in: `answer` is YES or MAYBE; `identity` and `limits` are what it led through; `evaluate` takes the one of the
    lowest `turn`."""

    answer: int
    by: Mapping[str, Any]
    turn: int

    @property
    def identity(self) -> bool:
        return self.turn == BY_IDENTITY

    @property
    def limits(self) -> bool:
        return self.turn > GRANTED


STATED, GRANTED, GRANTED_ROLE, STATED_ROLE, BY_IDENTITY = range(5)


@dataclass(slots=True)
class _Case:
    """One call on one state."""

    asked: Asked
    resource: Resource
    of_key: str
    known: Known
    evidence: Evidence | None
    context: Context

    def speaking(self, rules: Iterable[Rule], *, denies: bool, missing: _Missing, of_key: str = "") -> Spoken:
        return _speaking(rules, self.asked, self.resource.arn, self.context, of_key, denies, missing)

    def layers(self) -> list[Permissions]:
        known = self.known
        return [known.identity, *(each for each in (known.boundary, known.session) if each is not None)]

    def denies(self, missing: _Missing) -> Spoken:
        policy = self.resource.policy.rules if self.resource.policy is not None else ()
        found = self.speaking(policy, denies=True, missing=missing, of_key=self.of_key)
        for held in self.layers():
            found += self.speaking(held.rules, denies=True, missing=missing)
        return found

    def ways(self, missing: _Missing) -> list[_Way]:
        """The surest first, in the order of `evaluate`."""
        found = [*self._stated(missing), *self._granted(missing)]
        return sorted(found, key=lambda way: (-way.answer, way.turn))

    def _stated(self, missing: _Missing) -> Iterator[_Way]:
        asked = self.asked
        home = asked.account == self.resource.account or not asked.account
        rules = self.resource.policy.rules if self.resource.policy is not None else ()
        told = _Missing()
        for answer, rule in self.speaking(rules, denies=False, missing=told, of_key=self.of_key):
            how = DIRECT if rule.who is None else rule.who(asked.names)
            by = rule.by.document()
            if home and how == DIRECT:
                way = _Way(answer, by, STATED)
            elif (home and how == ROLE) or (not home and asked.root):
                way = _Way(min(answer, self._limits(told)), by, STATED_ROLE)
            else:
                allowing, its = self._identity(told)
                least = min(answer, allowing, self._limits(told))
                way = _Way(least, {**its, "delegation": by} if its else by, BY_IDENTITY)
            if way.answer:
                yield way
        missing.words.update(told.words)

    def _granted(self, missing: _Missing) -> Iterator[_Way]:
        source = self.context.get("aws:sourcearn", (None,))[0]
        for name, how in self.asked.names.items():
            for grant in self.resource.grants.get(name, ()):
                if not grant.lets(self.asked.action, self.asked.pairs, source):
                    continue
                by = dict(grant.document())
                if how == DIRECT:
                    yield _Way(YES, by, GRANTED)
                elif how == ROLE:
                    if limits := self._limits(missing):
                        yield _Way(limits, by, GRANTED_ROLE)
                elif least := min(self._identity(missing)[0], self._limits(missing)):
                    yield _Way(least, by, BY_IDENTITY)

    def _identity(self, missing: _Missing) -> tuple[int, Mapping[str, Any] | None]:
        """Whether identity policies allow it, and the statement that does."""
        spoken = self.speaking(self.known.identity.rules, denies=False, missing=missing)
        answer, rule = max(spoken, key=lambda each: each[0], default=(NO, None))
        if answer != YES and self.evidence is not None and self.evidence.identity:
            return YES, None
        return answer, None if rule is None or unseen.is_unseen(rule) else rule.by.document()

    def _limits(self, missing: _Missing) -> int:
        if self.evidence is not None and self.evidence.limits:
            return YES
        answer: int = YES
        for held in self.layers()[1:]:
            spoken = self.speaking(held.rules, denies=False, missing=missing)
            answer = min(answer, max((each for each, _ in spoken), default=NO))
        return answer


def _case(asked: Asked, resource: Resource, of_key: str, known: Known, evidence: Evidence | None) -> _Case:
    return _Case(asked, resource, of_key, known, evidence, {**resource.context, **asked.context})


def judge(asked: Asked, resource: Resource, of_key: str, known: Known, evidence: Evidence | None = None) -> Judged:
    """`of_key` says what of the key was never seen, `evidence` what the call itself shows, where it was let in then."""
    case = _case(asked, resource, of_key, known, evidence)
    missing = _Missing()
    return _judged(case, case.ways(missing), missing)


def _judged(case: _Case, ways: list[_Way], allowing: _Missing) -> Judged:
    """`allowing`: what the ways in would need known."""
    denying = _Missing()
    denies = case.denies(denying)
    for answer, rule in denies:
        if answer == YES:
            return Judged(REFUSED, rule.by.document())
    if case.evidence is not None:
        # It was let in: nothing that was never seen denied it. What a draft denies perhaps is not of that kind.
        denies = [each for each in denies if not unseen.is_unseen(each[1])]
    if not ways:
        if not unseen.may_let_in(case.of_key):
            return Judged(REFUSED, NOTHING)
        return Judged(UNKNOWN, NOTHING, (f"{case.of_key} of {case.resource.arn} from before the trail began",))
    if ways[0].answer == YES and not denies:
        return Judged(ALLOWED, ways[0].by)
    words = [*denying.words] if denies else []
    words += [] if ways[0].answer == YES else [*allowing.words]
    return Judged(UNKNOWN, ways[0].by, tuple(dict.fromkeys(words)))


def evidence_of(asked: Asked, resource: Resource, of_key: str, known: Known) -> Evidence:
    """What follows from this call's having been let in, under the policies of then."""
    return _evidence(_case(asked, resource, of_key, known, None).ways(_Missing()), of_key)


def _evidence(ways: list[_Way], of_key: str) -> Evidence:
    sure = bool(ways) and not unseen.may_let_in(of_key)
    return Evidence(sure and all(way.identity for way in ways), sure and all(way.limits for way in ways))


def let_in(asked: Asked, resource: Resource, of_key: str, known: Known) -> Judged:
    """A call judged with what it shows itself. Its ways in are worked out again only where that makes one of them surer."""
    case, missing = _case(asked, resource, of_key, known, None), _Missing()
    ways = case.ways(missing)
    case.evidence = _evidence(ways, of_key)
    if case.evidence.identity or case.evidence.limits:
        missing = _Missing()
        ways = case.ways(missing)
    return _judged(case, ways, missing)


NOTHING: Mapping[str, Any] = {"kind": "implicit-deny", "rule": "nothing-allows"}
EXPLAINED, UNEXPLAINED, OPEN, OTHER_ERROR = "explained", "unexplained", "open", "other error"


def explained(
    asked: Asked,
    resource: Resource,
    of_key: str,
    known: Known,
    *,
    refused: bool,
    denied: bool,
    denial: Mapping[str, str] | None = None,
) -> tuple[str, Judged]:
    """Whether the recorded policies explain what was answered, and by which statement. OPEN: what was never seen may.
    `denial`: what the message of a denied call tells (denial.py): which kind of policy refused it."""
    if refused and not denied:
        return OTHER_ERROR, Judged(UNKNOWN, {})
    if denied:
        found = judge(asked, resource, of_key, known)
        if found.answer == REFUSED or not denial or not denial.get("kind"):
            return {REFUSED: EXPLAINED, ALLOWED: UNEXPLAINED, UNKNOWN: OPEN}[found.answer], found
        kind = denial["kind"]
        if found.answer == ALLOWED and kind not in NEVER_SEEN:
            return UNEXPLAINED, found
        by = {"kind": kind, "rule": denial["rule"]} | ({"policy": denial["policy"]} if "policy" in denial else {})
        missing = found.missing or (f"the {kind.replace('-', ' ')} that refused it",)
        return OPEN, Judged(UNKNOWN, by, missing)
    found = let_in(asked, resource, of_key, known)
    return {ALLOWED: EXPLAINED, REFUSED: UNEXPLAINED, UNKNOWN: OPEN}[found.answer], found
