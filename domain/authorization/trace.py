"""Why a statement matched a question or did not, element by element, and which statement came close.

It reads the same compiled statements as `evaluate`, slowly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.authorization.caller import Caller
from domain.authorization.question import Question
from domain.policy.compile import BOUNDARY, IDENTITY_POLICY, KEY_POLICY, SESSION_POLICY, CompiledStatement
from domain.policy.conditions import Test


@dataclass(frozen=True, slots=True)
class Check:
    """One element of a statement: whether it holds for the question. For an element that is a condition, also that condition."""

    element: str
    holds: bool
    test: Test | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """A statement that was looked at, in its layer."""

    layer: str
    rule: CompiledStatement
    checks: tuple[Check, ...]

    @property
    def matched(self) -> bool:
        return all(check.holds for check in self.checks)


def layers(caller: Caller, question: Question) -> Iterator[tuple[str, tuple[CompiledStatement, ...]]]:
    """Every layer of policies that the question passes through, by kind."""
    policy = question.resource.policy
    if policy is not None:
        yield (policy.statements[0].by.kind if policy.statements else KEY_POLICY), policy.statements
    if not caller.needs_policies:
        return
    yield IDENTITY_POLICY, caller.identity.statements
    if caller.boundary is not None:
        yield BOUNDARY, caller.boundary.statements
    if caller.session is not None:
        yield SESSION_POLICY, caller.session.statements


def look(caller: Caller, question: Question) -> Iterator[Looked]:
    for layer, rules in layers(caller, question):
        for rule in rules:
            yield Looked(layer, rule, tuple(_checks(rule, caller, question)))


def _checks(rule: CompiledStatement, caller: Caller, question: Question) -> Iterator[Check]:
    statement = rule.statement
    if statement.principal is not None or statement.not_principal is not None:
        element = "Principal" if statement.principal is not None else "NotPrincipal"
        yield Check(element, rule.who is None or rule.who(caller.names) > 0)
    action = "NotAction" if statement.not_action is not None else "Action"
    yield Check(action, rule.acts is not None and rule.acts(question.action.lower()))
    resource = "NotResource" if statement.not_resource is not None else "Resource"
    yield Check(resource, rule.covers is None or rule.covers(question.resource.arn, question.context))
    if rule.tests is None:
        yield Check("Condition", rule.denies)  # unreadable: it never allows, and never spares from a Deny
        return
    for test in rule.tests:
        yield Check("Condition", test.holds(question.context), test)


def near_miss(caller: Caller, question: Question) -> dict[str, Any] | None:
    """The statement that would have allowed if one condition had held. None unless there is exactly one such statement."""
    close = [
        (looked.rule, failed[0])
        for looked in look(caller, question)
        if not looked.rule.denies
        and len(failed := [check for check in looked.checks if not check.holds]) == 1
        and failed[0].test is not None
    ]
    if len(close) != 1:
        return None
    rule, only = close[0]
    assert only.test is not None
    return {"by": rule.by.document(), "condition": condition_document(only.test, question)}


def condition_document(test: Test, question: Question) -> dict[str, Any]:
    """What value a condition wanted and which it found; `found` is empty if the request lacks the key."""
    found = question.context.get(test.key.lower(), ())
    return {"operator": test.operator, "key": test.key, "wanted": list(test.wanted), "found": list(found)}
