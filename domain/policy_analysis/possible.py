"""Whether some request meets several conditions at once.

It is the cut of `space.py` for one row of conditions: a condition key's values are cut into cases, and a pair of an encryption
context (or a tag of a request) is there if and only if its name is among the names. What cannot be cut counts as met.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.grants.grant import EQUALS, SUBSET
from domain.policy import unseen
from domain.policy.conditions import BadValue, Test, UnknownOperator, compile_test
from domain.policy.variables import WITH_VARIABLES
from domain.policy_analysis.budget import once, spend
from domain.policy_analysis.values import AMONG, NAMES_OF, Unmodelled, ValueCase, cases, require_readable
from domain.policy_analysis.words import TooMany

OF_GRANTS = {EQUALS: "StringEquals", SUBSET: "StringEquals"}
"""What a grant constraint asks of one pair."""

Condition = Mapping[str, Any]
"""In the record's form: operator, key, wanted."""


def meetable(conditions: Sequence[Condition], but_not: Condition | None = None) -> bool:
    """Whether some request meets all of the conditions, and not the one."""
    spend(1 + len(conditions))
    name = (meetable, *map(_name_of, conditions), None if but_not is None else _name_of(but_not))
    return once(name, lambda: _meetable(conditions, but_not))


def _name_of(condition: Condition) -> tuple[str, str, tuple[str, ...]]:
    return condition["operator"], condition["key"].lower(), tuple(map(str, condition["wanted"]))


def _meetable(conditions: Sequence[Condition], but_not: Condition | None) -> bool:
    tests: dict[str, list[tuple[Test, bool]]] = {}
    for each, wanted in [*((each, True) for each in conditions), *([(but_not, False)] if but_not is not None else [])]:
        test = _readable(each)
        if test is not None:
            tests.setdefault(test.key.lower(), []).append((test, wanted))
        elif not wanted:
            return True
    named = {key: _named(key, tests) for key in tests}
    found = {key: _cases(key, held, named[key]) for key, held in tests.items()}
    if any(each is not None and not each for each in found.values()):
        return False
    return all(_named_as_given(key, found, named[key]) for key in tests if named[key])


def _readable(condition: Condition) -> Test | None:
    """None for a condition that cannot be cut into cases."""
    spend(1)
    key, wanted = condition["key"], [str(each) for each in condition["wanted"]]
    # Whether `${...}` means something is for the policy's version to say.
    if ":" not in key or key.lower() == unseen.KEY.lower() or any("${" in each for each in wanted):
        return None
    operator: str = OF_GRANTS.get(condition["operator"]) or condition["operator"]
    try:
        test = compile_test(operator, key, wanted, WITH_VARIABLES)
        require_readable(test, WITH_VARIABLES)
    except (UnknownOperator, BadValue, Unmodelled):
        return None
    return test


def _named(key: str, tests: Iterable[str]) -> tuple[str, ...]:
    """The pairs that are asked beside the key of their names."""
    prefixes = [prefix for prefix, names in NAMES_OF.items() if names == key]
    return tuple(each for each in tests for prefix in prefixes if each.startswith(prefix) and each.isascii())


def _cases(key: str, tests: Sequence[tuple[Test, bool]], pairs: Sequence[str]) -> list[ValueCase] | None:
    """The cases of a key that do as wanted; None where they cannot be told. The last of `passes` are of the names of pairs."""
    among = [compile_test(AMONG, key, [_name(pair)], WITH_VARIABLES) for pair in pairs]
    try:
        all_of_them = cases(key, [(test, WITH_VARIABLES) for test in (*(test for test, _ in tests), *among)])
    except (Unmodelled, TooMany):
        return None
    wanted = tuple(each for _, each in tests)
    return [case for case in all_of_them if case.passes[: len(wanted)] == wanted]


def _name(pair: str) -> str:
    return next(pair.removeprefix(prefix) for prefix in NAMES_OF if pair.startswith(prefix))


def _named_as_given(key: str, found: Mapping[str, list[ValueCase] | None], pairs: Sequence[str]) -> bool:
    """Whether some names are those of the pairs that are there."""
    names = found[key]
    if names is None:
        return True
    given = [None if held is None else {bool(case.example) for case in held} for held in map(found.__getitem__, pairs)]
    spend(len(names) * len(pairs))
    return any(
        all(there is None or named in there for there, named in zip(given, case.passes[-len(pairs) :], strict=True))
        for case in names
    )
