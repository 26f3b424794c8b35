"""Decides a call of a trail on what the trail knows: allowed, refused, or unknown with what is missing.

The steps are those of `authorization.evaluation_order`, each with three answers: if a statement's Resource or Condition
reads a value that was not recorded, the statement may match. The recorded answer is evidence. If the call was let in,
no policy denied it, not even a policy that the trail never saw; and if only a delegation could let it in, an identity
policy allowed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from domain.authorization.evaluation_order import GRANT, STATEMENT, TURN, WAY_OF, WayIn, is_at_home, reach_of
from domain.authorization.question import Resource
from domain.cloudtrail.denial import NEVER_SEEN
from domain.cloudtrail.trail_call import (
    CALLERS_ARN,
    MAYBE,
    NO,
    YES,
    Missing,
    TrailCall,
    is_known,
    may_be_caller,
    means_caller,
)
from domain.decisions.case import READS_TIME
from domain.grants.grant import EQUALS, SOURCE_ARN, SUBSET, Grant
from domain.policy import unseen
from domain.policy.compile import DIRECT, ROLE, CompiledStatement, Covers, Permissions, compile_resource
from domain.policy.conditions import Test
from domain.policy.variables import WITH_VARIABLES, Context, any_arn, keys_written, opened

ALLOWED, REFUSED, UNKNOWN = "allowed", "refused", "unknown"


@dataclass(frozen=True, slots=True)
class SeenPolicies:
    """The policies of a caller. Statements of unseen.py take the place of policies that were never seen."""

    identity: Permissions
    boundary: Permissions | None = None
    session: Permissions | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """`by` is the statement, grant or rule in the record's form; `missing` says in words which facts are needed for an
    answer."""

    answer: str
    by: Mapping[str, Any]
    missing: tuple[str, ...] = ()


@lru_cache(maxsize=10_000)
def _keys_in(texts: tuple[str, ...]) -> dict[str, str]:
    """The condition keys of the texts' policy variables: in lower case, and as they are written."""
    return {each.lower(): each for text in texts for each in keys_written(text)}


def _test(test: Test, asked: TrailCall, context: Context, of_key: str, missing: Missing) -> int:
    for key, written in ({test.key.lower(): test.key} | _keys_in(tuple(test.wanted))).items():
        if key == unseen.KEY.lower():
            missing.add(test.wanted[0])
            return MAYBE
        if not is_known(key, asked, of_key):
            missing.add(f"{written} of the request")
            return MAYBE
    return YES if test.holds(context) else NO


def _covers(
    rule: CompiledStatement, asked: TrailCall, arn: str, context: Context, of_key: str, missing: Missing
) -> int:
    """Whether the statement's Resource covers the key."""
    if rule.covers is None:
        return YES
    unknown = frozenset(key for key in rule.variables if not is_known(key, asked, of_key))
    if not unknown:
        return YES if rule.covers(arn, context) else NO
    patterns, excludes = rule.statement.resource or rule.statement.not_resource or (), rule.statement.resource is None
    surely, perhaps = _covering(patterns, unknown)
    if surely(arn, context):
        return NO if excludes else YES
    if not perhaps(arn, context):
        return YES if excludes else NO
    for key, written in _keys_in(patterns).items():
        if key in unknown:
            missing.add(f"{written} of the request")
    return MAYBE


@lru_cache(maxsize=10_000)
def _covering(patterns: tuple[str, ...], unknown: frozenset[str]) -> tuple[Covers, Covers]:
    """What the patterns cover whatever the values of the unknown variables are, and what they cover with some values."""
    surely = [each for each in patterns if opened(each, unknown) == each]
    perhaps = [opened(each, unknown) for each in patterns]
    return any_arn(surely, WITH_VARIABLES, compile_resource), any_arn(perhaps, WITH_VARIABLES, compile_resource)


def _rule(rule: CompiledStatement, asked: TrailCall, arn: str, context: Context, of_key: str, missing: Missing) -> int:
    """Whether a statement matches the call. Principal and Action are known; Resource and Condition may not be."""
    if rule.elsewhere or rule.acts is None or not rule.acts(asked.action.lower()):
        return NO
    told = Missing()
    answer = _covers(rule, asked, arn, context, of_key, told)
    if answer == NO or (rule.tests is None and not rule.denies):
        return NO
    for test in rule.tests or ():
        found = _test(test, asked, context, of_key, told)
        if found == NO:
            return NO
        answer = min(answer, found)
    missing.words.update(told.words)
    return answer


Spoken = list[tuple[int, CompiledStatement]]


def _speaking(
    rules: Iterable[CompiledStatement],
    asked: TrailCall,
    arn: str,
    context: Context,
    of_key: str,
    denies: bool,
    missing: Missing,
) -> Spoken:
    found = []
    for rule in rules:
        if rule.denies is denies and (means := means_caller(rule, asked)):
            answer = min(means, _rule(rule, asked, arn, context, of_key, missing))
            if answer:
                found.append((answer, rule))
            if answer and means == MAYBE:
                missing.add(CALLERS_ARN)
    return found


SOURCE = "aws:sourcearn"
_PAIRS = ("kms:encryptioncontextkeys", "the encryption context of the request")
_CONSTRAINTS = ((EQUALS, *_PAIRS), (SUBSET, *_PAIRS), (SOURCE_ARN, SOURCE, "aws:SourceArn of the request"))
"""A grant's constraints, with the condition key that reads the same of a request, and what that is in words."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What follows if a call was let in: no policy denied it. If every way in needs an identity policy, one allowed the
    call (`identity`). If every way in is within limits, boundary and session policy allowed it (`limits`)."""

    identity: bool
    limits: bool


@dataclass(frozen=True, slots=True)
class _OpenWay:
    """A way in that is open (`answer` YES) or may be (MAYBE). `means`: how the opening statement or grant names the
    caller; `by`: what lets the call in."""

    way: WayIn
    means: int
    answer: int
    by: Mapping[str, Any]


@dataclass(slots=True)
class _CallOnState:
    """One call, decided on one state."""

    asked: TrailCall
    resource: Resource
    of_key: str
    known: SeenPolicies
    evidence: Evidence | None
    context: Context

    def speaking(self, rules: Iterable[CompiledStatement], *, denies: bool, missing: Missing) -> Spoken:
        return _speaking(rules, self.asked, self.resource.arn, self.context, self.of_key, denies, missing)

    def layers(self) -> list[Permissions]:
        known = self.known
        return [known.identity, *(each for each in (known.boundary, known.session) if each is not None)]

    def denies(self, missing: Missing) -> Spoken:
        policy = self.resource.policy.statements if self.resource.policy is not None else ()
        found = self.speaking(policy, denies=True, missing=missing)
        for held in self.layers():
            found += self.speaking(held.statements, denies=True, missing=missing)
        return found

    def ways(self, missing: Missing) -> list[_OpenWay]:
        """The surest way first. Equally sure ways come in the order of evaluation, the one that names the caller most
        closely first."""
        found = [*self._by_statement(missing), *self._by_grant(missing)]
        return sorted(found, key=lambda each: (-each.answer, TURN[each.way], -each.means))

    def _by_statement(self, missing: Missing) -> Iterator[_OpenWay]:
        asked = self.asked
        at_home = is_at_home(asked.account, self.resource.account)
        statements = self.resource.policy.statements if self.resource.policy is not None else ()
        told = Missing()
        for answer, statement in self.speaking(statements, denies=False, missing=told):
            means = DIRECT if statement.who is None else statement.who(asked.names) or ROLE
            reach = reach_of(means, at_home=at_home, needs_policies=not asked.root)
            yield from self._open(WAY_OF[STATEMENT, reach], means, answer, statement.by.document(), told)
        missing.words.update(told.words)

    def _by_grant(self, missing: Missing) -> Iterator[_OpenWay]:
        asked, grants = self.asked, self.resource.grants
        maybe = [name for name in grants if may_be_caller(name, asked)] if asked.unnamed else []
        for name, means, most in (
            *((*each, YES) for each in asked.names.items()),
            *((each, ROLE, MAYBE) for each in maybe),
        ):
            for grant in grants.get(name, ()):
                answer = min(self._lets(grant, missing), most)
                if answer and most == MAYBE:
                    missing.add(CALLERS_ARN)
                if answer:
                    by = dict(grant.document())
                    yield from self._open(WAY_OF[GRANT, means], means, answer, by, missing)

    def _lets(self, grant: Grant, missing: Missing) -> int:
        """Whether a grant lets the call in. Its constraints read what the record may not have."""
        asked = self.asked
        if grant.lets(asked.action, asked.pairs, self.context.get(SOURCE, (None,))[0]):
            return YES
        unknown = {
            name: words
            for name, key, words in _CONSTRAINTS
            if name in grant.constraints and not is_known(key, asked, self.of_key)
        }
        known = {name: each for name, each in grant.constraints.items() if name not in unknown}
        if not unknown or not replace(grant, constraints=known).lets(asked.action, asked.pairs, None):
            return NO
        for words in unknown.values():
            missing.add(words)
        return MAYBE

    def _open(
        self, way: WayIn, means: int, answer: int, opening: Mapping[str, Any], missing: Missing
    ) -> Iterator[_OpenWay]:
        """The way, together with the other policies that must allow the call; nothing if one of them does not."""
        by = opening
        if way.identity_policy:
            allowing, statement = self._identity(missing)
            answer = min(answer, allowing)
            if statement is not None:
                by = {**statement, "delegation": opening}
        if way.limits:
            answer = min(answer, self._limits(missing))
        if answer:
            yield _OpenWay(way, means, answer, by)

    def _identity(self, missing: Missing) -> tuple[int, Mapping[str, Any] | None]:
        """Whether identity policies allow the call, and the statement that does."""
        spoken = self.speaking(self.known.identity.statements, denies=False, missing=missing)
        answer, rule = max(spoken, key=lambda each: each[0], default=(NO, None))
        if answer != YES and self.evidence is not None and self.evidence.identity:
            return YES, None
        return answer, None if rule is None or unseen.is_unseen(rule) else rule.by.document()

    def _limits(self, missing: Missing) -> int:
        if self.evidence is not None and self.evidence.limits:
            return YES
        answer: int = YES
        for held in self.layers()[1:]:
            spoken = self.speaking(held.statements, denies=False, missing=missing)
            answer = min(answer, max((each for each, _ in spoken), default=NO))
        return answer


def _case(
    asked: TrailCall, resource: Resource, of_key: str, known: SeenPolicies, evidence: Evidence | None
) -> _CallOnState:
    return _CallOnState(asked, resource, of_key, known, evidence, {**resource.context, **asked.context})


def judge(
    asked: TrailCall, resource: Resource, of_key: str, known: SeenPolicies, evidence: Evidence | None = None
) -> Judgement:
    """`of_key`: the parts of the key that were never seen; `evidence`: what follows from the call if it was let in."""
    case = _case(asked, resource, of_key, known, evidence)
    missing = Missing()
    return _judged(case, case.ways(missing), missing)


def _judged(case: _CallOnState, ways: list[_OpenWay], allowing: Missing) -> Judgement:
    """`allowing`: the facts that the ways in need."""
    denying = Missing()
    denies = case.denies(denying)
    for answer, rule in denies:
        if answer == YES:
            return Judgement(REFUSED, rule.by.document())
    if case.evidence is not None:
        # The call was let in, so no unseen statement denied it. A draft's statement that may deny it still counts.
        denies = [each for each in denies if not unseen.is_unseen(each[1])]
    if not ways:
        if not unseen.may_let_in(case.of_key):
            return Judgement(REFUSED, NOTHING)
        return Judgement(UNKNOWN, NOTHING, (f"{case.of_key} of {case.resource.arn} from before the trail began",))
    if ways[0].answer == YES and not denies:
        return Judgement(ALLOWED, ways[0].by)
    words = [*denying.words] if denies else []
    words += [] if ways[0].answer == YES else [*allowing.words]
    return Judgement(UNKNOWN, ways[0].by, tuple(dict.fromkeys(words)))


def reads_time(resource: Resource, known: SeenPolicies) -> bool:
    """Whether these policies read when the call came."""
    layers = [each for each in (resource.policy, known.identity, known.boundary, known.session) if each is not None]
    return any(
        key in READS_TIME
        for each in layers
        for rule in each.statements
        for test in rule.tests or ()
        for key in (test.key.lower(), *_keys_in(test.wanted), *rule.variables)
    )


def evidence_of(asked: TrailCall, resource: Resource, of_key: str, known: SeenPolicies) -> Evidence:
    """What follows from this call if it was let in under these policies."""
    return _evidence(_case(asked, resource, of_key, known, None).ways(Missing()), of_key)


def _evidence(ways: list[_OpenWay], of_key: str) -> Evidence:
    sure = bool(ways) and not unseen.may_let_in(of_key)
    return Evidence(
        sure and all(each.way.identity_policy for each in ways), sure and all(each.way.limits for each in ways)
    )


def let_in(asked: TrailCall, resource: Resource, of_key: str, known: SeenPolicies) -> Judgement:
    """Judges a call that was let in, with that fact as evidence. Its ways in are computed again only if this makes one
    surer."""
    case, missing = _case(asked, resource, of_key, known, None), Missing()
    ways = case.ways(missing)
    case.evidence = _evidence(ways, of_key)
    if case.evidence.identity or case.evidence.limits:
        missing = Missing()
        ways = case.ways(missing)
    return _judged(case, ways, missing)


NOTHING: Mapping[str, Any] = {"kind": "implicit-deny", "rule": "nothing-allows"}
EXPLAINED, UNEXPLAINED, OPEN, OTHER_ERROR = "explained", "unexplained", "open", "other error"


def explained(
    asked: TrailCall,
    resource: Resource,
    of_key: str,
    known: SeenPolicies,
    *,
    refused: bool,
    denied: bool,
    denial: Mapping[str, str] | None = None,
) -> tuple[str, Judgement]:
    """Whether the recorded policies explain the recorded answer, and which statement does. OPEN: something that was
    never seen may explain it. `denial` is the content of a denied call's message (denial.py): which kind of policy
    refused it."""
    if refused and not denied:
        return OTHER_ERROR, Judgement(UNKNOWN, {})
    if denied:
        found = judge(asked, resource, of_key, known)
        if found.answer == REFUSED or not denial or not denial.get("kind"):
            return {REFUSED: EXPLAINED, ALLOWED: UNEXPLAINED, UNKNOWN: OPEN}[found.answer], found
        kind = denial["kind"]
        if found.answer == ALLOWED and kind not in NEVER_SEEN:
            return UNEXPLAINED, found
        by = {"kind": kind, "rule": denial["rule"]} | ({"policy": denial["policy"]} if "policy" in denial else {})
        missing = found.missing or (f"the {kind.replace('-', ' ')} that refused it",)
        return OPEN, Judgement(UNKNOWN, by, missing)
    found = let_in(asked, resource, of_key, known)
    return {ALLOWED: EXPLAINED, REFUSED: UNEXPLAINED, UNKNOWN: OPEN}[found.answer], found
