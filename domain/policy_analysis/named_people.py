"""Puts a set of callers into words that mean nobody outside the set: "other users" lists the named users who are not in it,
and an example of a pattern is marked as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from domain.policy.compile import BOUNDED
from domain.policy.conditions import Test
from domain.policy_analysis.budget import spend
from domain.policy_analysis.callers import Someone
from domain.policy_analysis.space import Space

BUT, MEETS = "but", "meets"
UNBOUNDED = "no permissions boundary"


class PersonName(NamedTuple):
    """The words that tell one caller from another. `account`, `arn` and `unique` are "" if they are not given; `bounded`:
    the caller has a permissions boundary."""

    kind: str
    account: str
    arn: str
    unique: str
    bounded: bool


def people(space: Space, bits: int) -> list[dict[str, Any]]:
    """The callers of the cases `bits`. `but` in an entry that represents others: the named callers who are outside. `meets`
    in an example: the conditions on the caller that it meets."""
    inside: dict[PersonName, Someone] = {}
    outside: dict[PersonName, Someone] = {}
    for at, everyone in enumerate(space.callers.members):
        held = inside if bits >> at & 1 else outside
        for each in everyone:
            held.setdefault(_name(each), each)
    spend(1 + (len(inside) + len(outside)) // 2)
    left = {name: each for name, each in outside.items() if name not in inside}
    found = []
    others = {(each.kind, each.of) for each in inside.values() if not (each.arn or each.unique)}
    anywhere = {each.kind for each in inside.values() if not (each.arn or each.unique or each.of)}
    for name, each, shown in _folded(inside, left, space.callers.tests):
        if each.example and (each.kind in anywhere or (each.arn and (each.kind, each.of) in others)):
            continue  # one of the others
        spend(1 + (len(left) // 8 if not each.arn or each.kind == "role" else 0))
        beside = {other: someone for other, someone in left.items() if _is_among(name, other, space.account)}
        if "with" in shown:
            beside = {other: someone for other, someone in beside.items() if other.bounded is name.bounded}
        if beside:
            shown[BUT] = list(_without(beside, inside, space.callers.tests))
        found.append(shown)
    return found


def _name(each: Someone) -> PersonName:
    return PersonName(each.kind, each.of, each.arn, each.unique, BOUNDED in each.names)


def _twin(name: PersonName) -> PersonName:
    return name._replace(bounded=not name.bounded)


def _folded(
    inside: dict[PersonName, Someone], outside: dict[PersonName, Someone], tests: Sequence[Test]
) -> Iterator[tuple[PersonName, Someone, dict[str, Any]]]:
    """One entry for a caller that is in the set both with and without a permissions boundary."""
    for name, each in inside.items():
        shown: dict[str, Any] = dict(each.document())
        if each.example:
            shown[MEETS] = [
                {"key": test.key, "operator": test.operator, "wanted": list(test.wanted)}
                for test in tests
                if test.holds(each.context)
            ]
        if _twin(name) in inside:
            if name.bounded:
                continue
        elif _twin(name) in outside and not name.bounded:
            shown["with"] = UNBOUNDED
        yield name, each, shown


def _is_among(of: PersonName, other: PersonName, own: str) -> bool:
    """Whether the words for `of` would include `other`."""
    kind, account, arn, unique, _ = of
    if unique and not arn:
        return False
    if arn:  # a role includes its sessions, except those that are named
        return kind == other.kind == "role" and ":role/" in arn and other.arn.startswith(_sessions(arn))
    if other.kind != kind:
        return False
    if not account and kind != "service" and other.account not in ("", own):
        return True  # other accounts are those that no policy names
    return other.account == account and bool(other.arn or other.unique)


def _sessions(role: str) -> str:
    head, _, path = role.partition(":role/")
    return f"{head.replace(':iam:', ':sts:')}:assumed-role/{path.rpartition('/')[2]}/"


def _without(
    outside: dict[PersonName, Someone], inside: dict[PersonName, Someone], tests: Sequence[Test]
) -> Iterator[dict[str, Any]]:
    """The callers that are left out: by name only, if nobody with that name is let in."""
    partly = {(name.kind, name.account, name.arn) for name in inside if name.arn}
    told: dict[str, dict[str, Any]] = {}
    for name, _, shown in _folded(outside, {}, tests):
        if name.arn and (name.kind, name.account, name.arn) not in partly:
            shown.pop("id", None)
        elif _twin(name) not in outside and not name.bounded and _twin(name) in inside:
            shown["with"] = UNBOUNDED
        told.setdefault(str(shown), shown)
    yield from told.values()
