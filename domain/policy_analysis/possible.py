"""Whether some request meets several conditions at once.

It cuts values as `space.py` does, for one row of conditions. A pair of an encryption context (or a tag of a request) is
present if and only if its name is among the names. A condition that cannot be cut counts as met.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from domain.grants.grant import EQUALS, SUBSET
from domain.policy import unseen
from domain.policy.conditions import BadValue, Test, UnknownOperator, compile_test, means_any
from domain.policy.variables import WITH_VARIABLES
from domain.policy_analysis.budget import once, spend
from domain.policy_analysis.values import AMONG, NAMES_OF, Unmodelled, ValueCase, cases, require_readable
from domain.policy_analysis.words import TooMany

OF_GRANTS = {EQUALS: "StringEquals", SUBSET: "StringEquals"}
"""The operators that the constraints of a grant apply to one pair."""

MOST_PARTS = 64
Condition = Mapping[str, Any]
"""In the record's form: operator, key, wanted."""


def meetable(conditions: Sequence[Condition], but_not: Condition | None = None) -> bool:
    """Whether some request meets all of the conditions, but not `but_not`."""
    spend(1 + len(conditions))
    name = (meetable, *map(name_of, conditions), None if but_not is None else name_of(but_not))
    return once(name, lambda: _meetable(conditions, but_not))


def implied(condition: Condition, by: Sequence[Condition]) -> bool:
    """Whether every request that meets the conditions `by` meets this one too. One that cannot be cut into cases follows from
    itself alone."""
    return name_of(condition) in map(name_of, by) or not meetable(by, but_not=condition)


def met_by(conditions: Iterable[Condition], by: Sequence[Condition]) -> bool:
    """Whether every request that meets the conditions `by` meets all of these too."""
    return all(implied(each, by) for each in conditions)


def met_by_one(ways: Collection[Sequence[Condition]], by: Sequence[Condition]) -> bool:
    """Whether every request that meets the conditions `by` meets all of one of the ways: perhaps of another one for each wanted
    value, as when several statements became one."""
    if any(met_by(each, by) for each in ways):
        return True
    parts = parts_of(by)
    return len(parts) > 1 and all(any(met_by(each, part) for each in ways) for part in parts)


def parts_of(conditions: Sequence[Condition]) -> list[tuple[Condition, ...]]:
    """The conditions with one wanted value each, in every combination: whatever meets them meets one of these. Where there are
    too many, or a condition cannot be cut into cases, the condition stays whole."""
    parts: list[tuple[Condition, ...]] = [()]
    for each in conditions:
        values = each["wanted"]
        cut = (
            1 < len(values) <= MOST_PARTS // len(parts) and _readable(each) is not None and means_any(each["operator"])
        )
        alone = [{**each, "wanted": [value]} for value in values] if cut else [each]
        parts = [(*part, one) for part in parts for one in alone]
    return parts


def name_of(condition: Condition) -> tuple[str, str, tuple[str, ...]]:
    """Equal for the same condition, whichever policy has it."""
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
    """The condition as a test; None if it cannot be cut into cases."""
    spend(1)
    key, wanted = condition["key"], [str(each) for each in condition["wanted"]]
    # Only the policy's version decides whether `${...}` is a variable.
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
    """The pairs that have conditions of their own, if `key` holds the names of such pairs."""
    prefixes = [prefix for prefix, names in NAMES_OF.items() if names == key]
    return tuple(each for each in tests for prefix in prefixes if each.startswith(prefix) and each.isascii())


def _cases(key: str, tests: Sequence[tuple[Test, bool]], pairs: Sequence[str]) -> list[ValueCase] | None:
    """The cases of a key in which the tests have the wanted results; None if they cannot be worked out. The last members of
    `passes` are about the names of pairs."""
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
    """Whether some case of the names agrees with the pairs that are present."""
    names = found[key]
    if names is None:
        return True
    given = [None if held is None else {bool(case.example) for case in held} for held in map(found.__getitem__, pairs)]
    spend(len(names) * len(pairs))
    return any(
        all(there is None or named in there for there, named in zip(given, case.passes[-len(pairs) :], strict=True))
        for case in names
    )
