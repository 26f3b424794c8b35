"""What a policy must not do, as a question about sets: each check compares two policies on the requests that concern it.

A policy grants something if it lets in more than a policy that allows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.policy.conditions import Test
from domain.policy.glob import compile_glob
from domain.policy.variables import Context
from domain.policy_analysis.budget import spend, steps_of
from domain.policy_analysis.callers import Someone
from domain.policy_analysis.compare import compare
from domain.policy_analysis.dimensions import ACTION, CALLER, Dimension, bits_of, one_of
from domain.policy_analysis.outcomes import EQUIVALENT, FAILED, PASSED, UNKNOWN
from domain.policy_analysis.space import Side, Space
from domain.policy_analysis.stranger_values import accounts_of_strangers, strangers_have, values_of

NOTHING = Side('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*"}}')
"""A statement without Action has no effect."""


@dataclass(frozen=True, slots=True)
class Policies:
    """A policy to check, for any key of an account or for the named key; `actions` are all actions."""

    policy: Side
    account: str
    actions: Sequence[str]
    key: str = ""

    def space(
        self, weaker: Side, more: Sequence[str] = (), examples: Mapping[str, Sequence[str]] | None = None
    ) -> Space:
        return Space((weaker, self.policy), self.account, self.actions, self.key, more, examples=examples)


class NoSuchAction(ValueError):
    """The pattern covers no action."""


def not_grants(of: Policies, pattern: str, principal: str = "") -> dict[str, Any]:
    """Whether the policy lets nobody do what the pattern covers. With `principal`, only callers that this name means count:
    a role's sessions for the role, everyone in the account for its root. Raises NoSuchAction."""
    matches = compile_glob(pattern.lower())
    wanted = [action for action in of.actions if matches(action.lower())]
    if not wanted:
        raise NoSuchAction(f"{pattern} covers no action on a key")
    space = of.space(NOTHING, [principal] if principal else [])
    limits = {ACTION: space.of_actions(wanted)}
    if principal:
        limits[CALLER] = bits_of(principal in one_of(everyone).names for everyone in space.callers.members)
    return _result(compare(space, space.box(limits)))


def no_new_access_than(of: Policies, reference: Side) -> dict[str, Any]:
    """Whether the policy lets in nothing that the reference does not let in."""
    return _result(compare(of.space(reference)))


def not_public(of: Policies) -> dict[str, Any]:
    """Whether the policy keeps out strangers: callers of an account, an organization and a network that the policy does not
    name."""
    space = of.space(NOTHING)
    limits = {CALLER: strangers(space)}
    for dimension in space.dimensions:
        if strangers_have(dimension.name):
            limits[dimension.name] = as_a_stranger(dimension)
    return _result(compare(space, space.box(limits)))


def strangers(space: Space) -> int:
    """The callers of accounts that no policy names, and those who meet patterns of accounts that others meet as well."""
    tests, accounts = space.caller_tests, accounts_of_strangers(space.caller_tests)
    return bits_of(
        any(
            each.kind in ("root", "user", "role")
            and (not each.of or (each.of_examples and _is_met_by_others(each, tests, accounts)))
            for each in everyone
        )
        for everyone in space.callers.members
    )


def _is_met_by_others(example: Someone, tests: Sequence[Test], accounts: Sequence[str]) -> bool:
    """Whether somebody of one of these accounts who is called the same passes and fails the same tests."""
    spend((len(accounts) + 1) * (1 + len(tests) * max(map(steps_of, tests), default=1)))
    own = [test.holds(example.context) for test in tests]
    for account in accounts:
        context = {
            key: tuple(value.replace(example.of, account, 1) for value in values)
            for key, values in example.context.items()
        }
        if [test.holds(context) for test in tests] == own:
            return True
    return False


def as_a_stranger(dimension: Dimension) -> int:
    """The cases of a stranger's values, and of no value."""
    weight = 1 + len(dimension.tests) * max(map(steps_of, dimension.tests), default=1)
    passes = set[tuple[bool, ...]]()
    for each in [None, *values_of(dimension.name, dimension.tests)]:
        spend(weight)
        context: Context = {} if each is None else {dimension.name: (each,)}
        passes.add(tuple(test.holds(context) for test in dimension.tests))
    return bits_of(case.passes in passes and len(case.example) < 2 for case in dimension.members)


def _result(found: dict[str, Any]) -> dict[str, Any]:
    """The result of a check: a request that is let in makes it fail, and with an unknown request it never passes."""
    unknown = [each for each in found["unknown"] if "denied" not in each]
    answer = FAILED if found["allowed"] else UNKNOWN if unknown else PASSED
    assert answer == PASSED or found["answer"] != EQUIVALENT, "what is equivalent lets nothing in"
    return {"answer": answer, "allowed": found["allowed"], "unknown": unknown}
