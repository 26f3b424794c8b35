"""The statements of an identity policy as a set of what they allow and deny. Two versions differ by what was added and
what was removed, however each was written.

Key policies are compared by the requests that they let in (`domain.policy_analysis`). What an identity policy lets in
depends on every key's policy. So here it is described as written: actions, on resources, under conditions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import Refusal
from domain.policy.glob import compile_glob
from domain.policy.parse import INLINE, TRUST, Principals, Statement, parse_policy

EVERYTHING = "*"
GIVEN, REFUSED = "Allow", "Deny"


@dataclass(frozen=True, slots=True)
class On:
    """Where actions are given or refused. `but` says that it is everywhere else. `conditions` are JSON in a fixed
    order. `who` are the principals of a trust policy."""

    effect: str
    resources: tuple[str, ...]
    but: bool
    conditions: str
    who: tuple[str, ...] = ()

    def document(self, actions: Iterable[str]) -> dict[str, Any]:
        return {
            "effect": self.effect,
            "actions": sorted(actions),
            "resources": list(self.resources),
            **({"all_but": True} if self.but else {}),
            "condition": json.loads(self.conditions),
            **({"who": list(self.who)} if self.who else {}),
        }


PermissionsGiven = Mapping[On, frozenset[str]]
NOTHING: PermissionsGiven = {}


def given(text: str, universe: Iterable[str]) -> PermissionsGiven:
    """The actions of a policy, grouped by where they are given. Actions of `universe` are listed one by one; a pattern
    that reaches beyond it is kept as written. A text that is not an identity policy gives nothing."""
    try:
        policy = parse_policy(text, INLINE)  # a role's inline policies are the longest
    except Refusal:
        return NOTHING
    return _taken((each, _actions(each, tuple(universe))) for each in policy.statements)


def trusted(text: str) -> PermissionsGiven:
    """The principals whom a role's trust policy lets assume it."""
    try:
        policy = parse_policy(text, TRUST)
    except Refusal:
        return NOTHING
    return _taken((each, frozenset(each.action or each.not_action or ())) for each in policy.statements)


def difference(old: PermissionsGiven, new: PermissionsGiven) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(what only the second has, what only the first had)"""
    return _beyond(new, old), _beyond(old, new)


def of_these(whole: PermissionsGiven, effect: str, actions: Iterable[str]) -> list[dict[str, Any]]:
    """What is given or refused of these actions, wherever that is. A pattern on one side may match a name on the other."""
    asked, found = frozenset(actions), []
    for where, its in whole.items() if asked else ():
        if where.effect != effect:
            continue
        both = (its & asked) | {each for each in asked - its if any(_matches(other, each) for other in its)}
        both |= {each for each in its - asked if any(_matches(other, each) for other in asked)}
        if both:
            found.append(where.document(both))
    return found


def joined(parts: Iterable[PermissionsGiven]) -> PermissionsGiven:
    """Joins several policies of one holder."""
    whole: dict[On, frozenset[str]] = {}
    for part in parts:
        for where, actions in part.items():
            whole[where] = whole.get(where, frozenset()) | actions
    return whole


def _beyond(one: PermissionsGiven, other: PermissionsGiven) -> list[dict[str, Any]]:
    found = []
    for where, actions in one.items():
        more = actions - other.get(where, frozenset())
        if more:
            found.append(where.document(more))
    return found


def _taken(statements: Iterable[tuple[Statement, frozenset[str]]]) -> PermissionsGiven:
    return joined({_on(statement): actions} for statement, actions in statements if actions)


def _on(statement: Statement) -> On:
    resources = statement.resource if statement.resource is not None else statement.not_resource
    conditions = {
        operator: {name: sorted(values) for name, values in sorted(keys.items())}
        for operator, keys in sorted((statement.condition or {}).items())
    }
    return On(
        statement.effect,
        tuple(sorted(resources or ())),
        statement.resource is None and statement.not_resource is not None,
        json.dumps(conditions, sort_keys=True),
        _who(statement.principal, "") + _who(statement.not_principal, "everybody but "),
    )


def _who(principals: Principals | None, before: str) -> tuple[str, ...]:
    if principals is None:
        return ()
    names = [*([EVERYTHING] if principals.anyone else []), *sorted(principals.names)]
    return tuple(f"{before}{name}" for name in names)


def _actions(statement: Statement, universe: tuple[str, ...]) -> frozenset[str]:
    if statement.action is None:
        patterns = statement.not_action or ()
        left = {name for name in universe if not any(_matches(pattern, name) for pattern in patterns)}
        return frozenset({*left, *(f"everything but {', '.join(sorted(patterns))}" for _ in patterns[:1])})
    found: set[str] = set()
    for pattern in statement.action:
        reached = {name for name in universe if _matches(pattern, name)}
        found |= reached
        # `kms:*` is listed action by action. A pattern outside this universe, or reaching beyond it, is kept as
        # written.
        if not reached or not pattern.lower().startswith(_services(universe)):
            found.add(pattern)
    return frozenset(found)


def _services(universe: tuple[str, ...]) -> tuple[str, ...]:
    return tuple({f"{name.partition(':')[0]}:" for name in universe})


def _matches(pattern: str, name: str) -> bool:
    return compile_glob(pattern.lower())(name.lower())


def reaches(effect: Mapping[str, Any], arn: str) -> bool:
    """Whether what a statement gives (in the form of `difference`) may reach this resource. A variable may be anything."""
    inside = any("${" in each or compile_glob(each)(arn) for each in effect["resources"])
    if effect.get("all_but"):
        return not any("${" not in each and compile_glob(each)(arn) for each in effect["resources"])
    return inside
