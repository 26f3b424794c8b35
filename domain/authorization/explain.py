"""One evaluation in full: every statement and grant that was looked at, and why it did or did not match."""

from __future__ import annotations

from typing import Any

from domain.authorization.caller import Caller
from domain.authorization.evaluate import evaluate
from domain.authorization.question import Question
from domain.authorization.trace import Check, condition_document, layers, look
from domain.authorization.verdict import OTHER_ACCOUNT, Verdict, refusal_of
from domain.grants.grant import Grant
from domain.policy.conditions import BEFORE_MAPPED
from domain.policy.variables import BEFORE_NULL_SETS

RULES_OF_BEFORE = frozenset({BEFORE_MAPPED, BEFORE_NULL_SETS})
"""Members of a context that say which evaluator made the decision. They are not part of the request."""


def explain(caller: Caller, question: Question, *, reaches: bool = True) -> dict[str, Any]:
    """The verdict in the record's form, AWS's message if it is a refusal, and the tree of statements. `reaches`:
    whether the caller's account can call the operation on this key at all (#cross-account-operations)."""
    unreachable = Verdict(False, question.action, question.resource.arn, OTHER_ACCOUNT)
    verdict = evaluate(caller, question) if reaches else unreachable
    found = list(look(caller, question))
    tree = [
        {
            "layer": layer,
            "statements": [
                {
                    "by": looked.rule.by.document(),
                    "effect": looked.rule.statement.effect,
                    "matched": looked.matched,
                    "checks": [_check(check, question) for check in looked.checks],
                }
                for looked in found
                if looked.layer == layer
            ],
        }
        for layer, _ in layers(caller, question)
    ]
    return {
        "principal": caller.principal,
        "kind": verdict.kind,
        **verdict.document(),
        "message": None if verdict.allowed else refusal_of(caller, verdict).message,
        "layers": tree,
        "grants": [_grant(grant, caller, question) for grant in question.resource.grants_in_order()],
        "context": {
            key: list(values) for key, values in sorted(question.context.items()) if key not in RULES_OF_BEFORE
        },
    }


def _check(check: Check, question: Question) -> dict[str, Any]:
    result: dict[str, Any] = {"element": check.element, "holds": check.holds}
    return result | condition_document(check.test, question) if check.test is not None else result


def _grant(grant: Grant, caller: Caller, question: Question) -> dict[str, Any]:
    source = question.context.get("aws:sourcearn", (None,))[0]
    lets = Grant.let_before if BEFORE_NULL_SETS in question.context else Grant.lets
    return {
        "grant": grant.id,
        "name": grant.name,
        "grantee": grant.grantee_shown,
        "for_caller": grant.grantee in caller.names,
        "operation": question.action in grant.operations,
        "constraints": lets(grant, question.action, question.encryption_context, source)
        or question.action not in grant.operations,
    }
