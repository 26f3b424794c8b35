"""The sets that a policy means, compared with the evaluator's answers to requests and an SMT solver's answer on the
whole.

Every example is a pair of key policies, the second often a variation of the first: 150 pairs in `make test`, 2,500 in
`make soak`.
"""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.authorization.caller import Caller
from domain.authorization.context import encryption_context_keys
from domain.grants.operations import GRANTABLE
from domain.policy.compile import DELEGATED, DIRECT, CompiledPolicy, compile_key_policy
from domain.policy.variables import Context
from domain.policy_analysis.compare import DENIES, SILENT, compare, gains
from domain.policy_analysis.dimensions import RESOURCE_AT
from domain.policy_analysis.outcomes import UNKNOWN
from domain.policy_analysis.space import Side, Space
from tests import counts
from tests.given import ACCOUNT, arn
from tests.oracle import solver
from tests.oracle.solver import WITH_PAIRS
from tests.oracle.test_oracle import as_a_request_can_be, callers, policies, request

ACTIONS = ["kms:Decrypt", "kms:DescribeKey", "kms:EnableKeyRotation", "kms:Encrypt", "kms:PutKeyPolicy", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:TagResource"]  # fmt: skip


def without_variables(text: str) -> str:
    """The policy under a version that has no variables: their signs are ordinary text."""
    return json.dumps(json.loads(text) | {"Version": "2008-10-17"})


@st.composite
def pairs(draw: st.DrawFn, with_variables: bool = False) -> tuple[str, str]:
    """Two policies: unrelated, the same in other words, or one with something more, less or different."""
    seen = str if with_variables else without_variables
    old = seen(draw(policies(True, 3)))
    if draw(st.integers(0, 4)) == 0:
        return old, seen(draw(policies(True, 3)))
    document = json.loads(old)
    statements = document["Statement"]
    for _ in range(draw(st.integers(1, 2))):
        which = draw(st.sampled_from(["order", "split", "twice", "drop", "add", "narrow", "effect", "value"]))
        at = draw(st.integers(0, len(statements) - 1))
        statement: dict[str, Any] = statements[at]
        if which == "order":
            statements.reverse()
        elif which == "split" and isinstance(statement.get("Action"), list) and len(statement["Action"]) > 1:
            first, *rest = statement["Action"]
            statements[at : at + 1] = [statement | {"Action": [first]}, statement | {"Action": rest}]
        elif which == "twice":
            statements.append(dict(statement))
        elif which == "drop" and len(statements) > 1:
            del statements[at]
        elif which == "add":
            statements += json.loads(draw(policies(True, 1)))["Statement"]
        elif which == "narrow":
            statements.append(statement | {"Action": ["kms:Encrypt"]} if "Action" in statement else dict(statement))
        elif which == "effect":
            statements[at] = statement | {"Effect": "Deny" if statement["Effect"] == "Allow" else "Allow"}
        elif which == "value" and "Condition" in statement:
            statements[at] = {name: part for name, part in statement.items() if name != "Condition"}
    return old, json.dumps(document)


def space_of(old: str, new: str) -> Space:
    return Space((Side(old), Side(new)), ACCOUNT, ACTIONS, arn())


def agrees(old: str, new: str) -> str:
    """The difference that was found, once the solver has agreed."""
    found = compare(space_of(old, new))
    assert not any("witness" in each.get("why", "") for each in found["unknown"]), found["unknown"]
    if found["answer"] == UNKNOWN:
        return UNKNOWN
    grantable = {f"kms:{name}" for name in GRANTABLE}
    for weak, strong, regions in ((old, new, found["allowed"]), (new, old, found["denied"])):
        try:
            expected = solver.can_rise(weak, strong, ACCOUNT, arn(), ACTIONS, grantable)
        except solver.Mixed:
            return UNKNOWN
        if expected is None:
            return UNKNOWN
        assert expected == bool(regions), (weak, strong, regions)
    answer: str = found["answer"]
    return answer


SOAK = counts.are_full()


@settings(max_examples=2500 if SOAK else 150)
@given(pairs())
def test_a_solver_finds_each_reported_difference(pair: tuple[str, str]) -> None:
    agrees(*pair)


# -- the sets themselves, against the evaluator's own reading of single requests ------------------------------------


def answer_of(policy: CompiledPolicy, caller: Caller, action: str, context: Context) -> int:
    """A key policy's answer, found as the first part of `evaluate` does."""
    covering = policy.covering(action)
    spoken = [
        (DIRECT if who is None else who(caller.names), entries is covering.denies)
        for entries in (covering.denies, covering.allows)
        for who, holds, _ in entries
        if holds is None or holds(context)
    ]
    if any(how and denies for how, denies in spoken):
        return DENIES
    level = max((how for how, denies in spoken if not denies), default=SILENT)
    at_home = caller.account == ACCOUNT
    return level if at_home or not level else DELEGATED if caller.needs_policies else DIRECT


def cell_of(space: Space, caller: Caller, action: str, context: Context) -> list[int]:
    """The bit of the request's case in every dimension; both bits of a condition that was not cut."""
    home = caller.account == ACCOUNT
    rules = [rule for rules in space.rules for rule in rules]
    tests = space.callers.tests
    bits = [
        1 << at
        for at, everyone in enumerate(space.callers.members)
        for each in everyone[:1]
        if (not each.account or each.account == ACCOUNT) is home
        and (each.kind == "root") is not caller.needs_policies
        and all(rule.who is None or rule.who(each.names) == rule.who(caller.names) for rule in rules)
        and all(test.holds(each.context) == test.holds(context) for test in tests)
    ]
    assert bits, f"no case is like {caller.principal}"
    result = [bits[0]]
    result += [1 << at for at, names in enumerate(space.actions.members) if action in names]
    result += [1]
    for dimension in space.dimensions[RESOURCE_AT + 1 :]:
        if dimension.name not in space.keys:
            result.append(3)
            continue
        there = bool(context.get(dimension.name))
        passes = tuple(test.holds(context) for test in dimension.tests)
        found = [
            at for at, case in enumerate(dimension.members) if case.passes == passes and bool(case.example) is there
        ]
        assert found, f"no case of {dimension.name} is like {context.get(dimension.name)}"
        result.append(1 << found[0])
    return result


@settings(max_examples=5000 if SOAK else 200)
@given(pairs(with_variables=True), st.randoms(use_true_random=False))
def test_a_request_is_in_the_region_that_its_answers_say(pair: tuple[str, str], chance: random.Random) -> None:
    space = space_of(*pair)
    before, after = space.meanings
    told = [(gains(before, after, space, space.whole), 1), (gains(after, before, space, space.whole), -1)]
    compiled = [compile_key_policy(text, arn(), 1) for text in pair]
    for _ in range(20):
        caller, _ = callers([], None, None, chance)
        action, given_context, encryption_context = request(chance)
        context = {**caller.context, **{key: tuple(values) for key, values in given_context.items()}}
        context.update(encryption_context_keys(encryption_context) if action in WITH_PAIRS else {})
        context = as_a_request_can_be(action, context)
        answers = [answer_of(policy, caller, action, context) for policy in compiled]
        # "Denied" and "nothing said" differ only if a grant could let the request in.
        least = DENIES if action.removeprefix("kms:") in GRANTABLE else SILENT
        answers = [max(each, least) for each in answers]
        cell = cell_of(space, caller, action, context)
        for regions, sign in told:
            holding = [
                (region, box)
                for region in regions
                for box in region.boxes
                if all(bits & its for bits, its in zip(box, cell, strict=True))
            ]
            known = [
                (max(region.lower, least), max(region.upper, least))
                for region, box in holding
                if not space.opaque_in(box)
            ]
            rises = (answers[1] - answers[0]) * sign > 0
            weak, strong = answers if sign > 0 else reversed(answers)
            if known:
                assert known == [(weak, strong)], (pair, caller.principal, action, context)
            elif rises:
                assert holding, (pair, caller.principal, action, context)
