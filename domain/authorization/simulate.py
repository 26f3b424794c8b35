"""What policies would answer for an action on a resource: IAM's policy simulator, on the evaluator that decides real
calls.

Source: IAM API reference, SimulatePrincipalPolicy, SimulateCustomPolicy and EvaluationResult. A resource's own policy
counts only if it is given ("the simulation does not automatically retrieve policies"). The context entries are all that
conditions can read of a request. Positions of statements are counted as AWS's parser does: just after the sign that
opens the statement's place, and just after its last brace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from domain.arn import parse_arn
from domain.authorization.caller import Caller
from domain.authorization.evaluate import evaluate
from domain.authorization.question import Question, Resource
from domain.authorization.trace import Looked, look
from domain.policy.compile import (
    BOUNDARY,
    IDENTITY_POLICY,
    KEY_POLICY,
    CompiledPolicy,
    CompiledStatement,
    Permissions,
    StatementSource,
    compile_key_policy,
)
from domain.policy.parse import Statement
from domain.policy.variables import Context, keys_written

ALLOWED, EXPLICIT, IMPLICIT = "allowed", "explicitDeny", "implicitDeny"
OF_IAM, OF_RESOURCE, OF_BOUNDARY = "IAM Policy", "Resource Policy", "Permissions Boundary Policy"
RESOURCE_POLICY = "ResourcePolicy"
_BETWEEN = re.compile(r"[\s,:]*")
LineAndColumn = tuple[int, int]
"""(line, column), both from 1."""


@dataclass(frozen=True, slots=True)
class SimulatedPolicy:
    """A policy with statements: the name that the answer gives it, and its text."""

    name: str
    text: str
    kind: str = OF_IAM


@dataclass(frozen=True, slots=True)
class Match:
    """A statement that determined an answer."""

    source: SimulatedPolicy
    index: int

    def places(self) -> tuple[LineAndColumn, LineAndColumn]:
        begin, end = spans(self.source.text)[self.index]
        return _place(self.source.text, begin), _place(self.source.text, end)


@dataclass(frozen=True, slots=True)
class Simulated:
    """The answer for one action on one resource. `by_boundary`: whether the permissions boundary allows it (None
    without a boundary). `details`: the decision of each kind of policy, if the resource is another account's."""

    resource: str
    decision: str
    matched: tuple[Match, ...]
    missing: tuple[str, ...]
    by_boundary: bool | None
    details: Mapping[str, str]


@dataclass(slots=True)
class Simulation:
    """`caller` has the policies to simulate. `sources` are the same policies by name, to find a statement's place.
    `owner` is the account of a resource whose ARN names none. `given` are the context entries, with keys in lower
    case."""

    caller: Caller
    owner: str
    sources: Mapping[str, SimulatedPolicy]
    given: Context
    resource_policy: str = ""
    _compiled: dict[str, CompiledPolicy] = field(default_factory=dict)

    @property
    def statements(self) -> int:
        """How many statements are looked at for each action on each resource."""
        boundary = () if self.caller.boundary is None else self.caller.boundary.statements
        of_resource = self.resource_policy.count("Effect")
        return len(self.caller.identity.statements) + len(boundary) + of_resource

    def on(self, action: str, resource: str) -> Simulated:
        caller, named = self.caller, parse_arn(resource)
        account = (named.account if named is not None else "") or self.owner
        context = {"aws:resourceaccount": (account,)} | dict(caller.context) | dict(self.given)
        question = Question(action, Resource(resource, account, self._policy(resource)), context)
        decision = self._decision(question)
        looked = [each for each in look(caller, question) if each.layer != BOUNDARY]
        across = account != caller.account
        return Simulated(
            resource,
            decision,
            tuple(self._matches(looked, decision)),
            missing(looked, context),
            None if caller.boundary is None else self._by_boundary(question),
            self._details(question, looked) if across else {},
        )

    def _policy(self, resource: str) -> CompiledPolicy | None:
        if not self.resource_policy:
            return None
        found = self._compiled.get(resource)
        if found is None:
            found = self._compiled[resource] = compile_key_policy(self.resource_policy, resource, 0)
        return found

    def _decision(self, question: Question) -> str:
        verdict = evaluate(self.caller, question)
        resource = question.resource
        # Only a key's policy (and a role's) has to let identity policies decide. For other resources of the account
        # either policy allows.
        either = resource.account == self.caller.account and not question.action.lower().startswith(("kms:", "sts:"))
        if either and not verdict.allowed and isinstance(verdict.by, str) and resource.policy is not None:
            verdict = evaluate(self.caller, replace(question, resource=replace(resource, policy=None)))
        if verdict.allowed:
            return ALLOWED
        return EXPLICIT if isinstance(verdict.by, StatementSource) else IMPLICIT

    def _by_boundary(self, question: Question) -> bool:
        assert self.caller.boundary is not None, "asked where there is one"
        return _alone(self.caller.boundary, question) == ALLOWED

    def _matches(self, looked: Iterable[Looked], decision: str) -> Iterator[Match]:
        wanted = {ALLOWED: "Allow", EXPLICIT: "Deny"}.get(decision)
        for each in looked:
            if each.matched and not each.rule.elsewhere and each.rule.statement.effect == wanted:
                source = self.sources.get(RESOURCE_POLICY if each.layer == KEY_POLICY else each.rule.by.policy)
                if source is not None:
                    yield Match(source, each.rule.by.index)

    def _details(self, question: Question, looked: list[Looked]) -> Mapping[str, str]:
        details = {OF_IAM: _stated(looked, IDENTITY_POLICY), OF_RESOURCE: _stated(looked, KEY_POLICY)}
        if self.caller.boundary is not None:
            details[OF_BOUNDARY] = _alone(self.caller.boundary, question)
        return details


def _stated(looked: Iterable[Looked], layer: str) -> str:
    """The decision of one kind of policy by itself."""
    effects = {each.rule.statement.effect for each in looked if each.layer == layer and each.matched}
    return EXPLICIT if "Deny" in effects else ALLOWED if "Allow" in effects else IMPLICIT


def _alone(permissions: Permissions, question: Question) -> str:
    covering = permissions.covering(question.action)
    for entries, answer in ((covering.denies, EXPLICIT), (covering.allows, ALLOWED)):
        for covers, holds, _ in entries:
            if (covers is None or covers(question.resource.arn, question.context)) and (
                holds is None or holds(question.context)
            ):
                return answer
    return IMPLICIT


def missing(looked: Iterable[Looked], context: Context) -> tuple[str, ...]:
    """The condition keys that statements on this action and resource read and the context lacks, as the policies write them."""
    found: dict[str, str] = {}
    for each in looked:
        others = [check for check in each.checks if check.test is None]
        if all(check.holds or check.element in ("Resource", "NotResource") for check in others):
            covers = all(check.holds for check in others)
            for key in keys_of(each.rule.statement, conditions=covers):
                if key.lower() not in context:
                    found.setdefault(key.lower(), key)
    return tuple(found[key] for key in sorted(found))


def keys_of(statement: Statement, *, conditions: bool = True) -> Iterator[str]:
    """The condition keys that a statement reads, as it writes them: in its condition, and as policy variables."""
    texts = [*(statement.resource or ()), *(statement.not_resource or ())]
    if conditions:
        for keys in (statement.condition or {}).values():
            for key, wanted in keys.items():
                yield key
                texts += wanted
    for text in texts:
        yield from keys_written(text)


def context_keys(rules: Iterable[Statement]) -> list[str]:
    """Every key that the statements read, each once, in order."""
    found: dict[str, str] = {}
    for statement in rules:
        for key in keys_of(statement):
            found.setdefault(key.lower(), key)
    return [found[key] for key in sorted(found)]


def statements_of(rules: Iterable[CompiledStatement]) -> Iterator[Statement]:
    return (rule.statement for rule in rules)


def spans(text: str) -> list[tuple[int, int]]:
    """Where each statement begins and ends in a policy's text, counted from 0."""
    decoder = json.JSONDecoder()
    found: list[tuple[int, int]] = []
    at = text.index("{") + 1
    while text[at := _behind(text, at)] != "}":
        name, at = decoder.raw_decode(text, at)
        at = _behind(text, at)
        end = decoder.raw_decode(text, at)[1]
        if name == "Statement":
            found = list(_elements(text, at, decoder)) if text[at] == "[" else [(at + 1, end)]
        at = end
    return found


def _elements(text: str, at: int, decoder: json.JSONDecoder) -> Iterator[tuple[int, int]]:
    begin = at + 1
    while text[at := _behind(text, begin)] != "]":
        end = decoder.raw_decode(text, at)[1]
        yield begin, end
        comma = text.find(",", end)
        begin = comma + 1 if comma >= 0 and not text[end:comma].strip() else end


def _behind(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()


def _place(text: str, at: int) -> LineAndColumn:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
