"""How two key policies differ: the requests that one lets in and the other does not, each set with a witness.

A key policy can answer a request in five ways: it denies it, says nothing, leaves it to identity policies, allows it within
the limits of a boundary or session policy, or allows it by itself. A region is a set of requests for which each policy has
one answer, and the two answers differ. Its witness is a concrete request, in surroundings (identity policies, a boundary, a
grant) under which that difference decides. The evaluator decides it before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from domain.authorization.caller import Caller
from domain.authorization.evaluate import evaluate
from domain.authorization.evaluation_order import REACHES, STATEMENT, WAY_OF
from domain.authorization.question import Question, Resource
from domain.grants.grant import Grant
from domain.policy.compile import (
    DELEGATED,
    DIRECT,
    IDENTITY_POLICY,
    NO_PERMISSIONS,
    ROLE,
    CompiledPolicy,
    Permissions,
    compile_identity_policy,
    compile_key_policy,
)
from domain.policy.parse import MANAGED
from domain.policy_analysis.boxes import Box, apart, merged, subtract, within
from domain.policy_analysis.budget import spend
from domain.policy_analysis.callers import Someone
from domain.policy_analysis.dimensions import ACTION_AT, CALLER_AT, RESOURCE_AT, Dimension, bits_of, one_of, with_bits
from domain.policy_analysis.named_people import people
from domain.policy_analysis.outcomes import DIFFERENT, EQUIVALENT, UNKNOWN
from domain.policy_analysis.space import Meaning, Side, Space
from domain.policy_analysis.words import TooMany

DENIES, SILENT = -1, 0
WORDS = {
    DENIES: "denied",
    SILENT: "not allowed",
    DELEGATED: "left to identity policies",
    ROLE: "allowed within boundary and session policy",
    DIRECT: "allowed",
}
SURROUNDINGS = {
    SILENT: "a grant of the operation",
    DELEGATED: "an identity policy that allows everything",
    ROLE: "no identity policy",
    DIRECT: "no identity policy",
}
WITHIN_NOTHING = "no identity policy, and a boundary that allows nothing"
_EVERYTHING = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


@dataclass(frozen=True, slots=True)
class Region:
    """`boxes` are requests that the weaker policy answers with `lower` and the stronger with `upper`."""

    boxes: tuple[Box, ...]
    lower: int
    upper: int


def compare(space: Space, only: Box | None = None) -> dict[str, Any]:
    """The comparison of a space's two policies, in the form that is shown. `answer` is equivalent, different or unknown;
    `allowed` and `denied` are the requests that the second policy newly lets in and keeps out; `unknown` are those that
    depend on conditions that were not cut into cases. `only` limits the comparison to some requests."""
    old, new = space.sides
    before, after = space.meanings
    asked = space.whole if only is None else only
    try:
        gained, lost = gains(before, after, space, asked), gains(after, before, space, asked)
    except TooMany as fault:
        return {"answer": UNKNOWN, "allowed": [], "denied": [], "unknown": [{"why": str(fault)}]}
    unknown: list[dict[str, Any]] = []
    shown: dict[str, list[dict[str, Any]]] = {"allowed": [], "denied": []}
    for name, regions, weak, strong in (("allowed", gained, old, new), ("denied", lost, new, old)):
        witnesses = Witnesses(space, weak, strong)
        for region in regions:
            for box in told_of(space, region.boxes):
                made = space_shown(space, box) | {"principals": people(space, box[CALLER_AT])}
                made["before"], made["after"] = WORDS[region.lower], WORDS[region.upper]
                if name == "denied":
                    made["before"], made["after"] = made["after"], made["before"]
                opaque = space.opaque_in(box)
                if opaque:
                    unknown.append({name: made, "statements": _once(each.document() for each in opaque)})
                    continue
                witness = witnesses.of(subtract([box], space.impossible)[0], region.lower, region.upper)
                if witness is None:
                    unknown.append(
                        {name: made, "why": "its witness did not come out as the sets say", "statements": []}
                    )
                else:
                    shown[name].append(made | {"witness": witness})
    answer = UNKNOWN if unknown else DIFFERENT if shown["allowed"] or shown["denied"] else EQUIVALENT
    return {"answer": answer, **shown, "unknown": unknown}


def _once(documents: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in documents:
        if each not in found:
            found.append(each)
    return found


def gains(weak: Meaning, strong: Meaning, space: Space, asked: Box) -> list[Region]:
    """The regions in which `strong` answers higher than `weak`, the strongest answers first. Raises TooMany."""
    grantable = space.box_of_grantable()
    told: list[Box] = []
    found: list[Region] = []
    for upper in (*REACHES, SILENT):
        if upper == SILENT:
            denied = [] if grantable is None else within(within(weak.denies, [grantable]), [asked])
            stronger = subtract(denied, strong.denies)
        else:
            allowing = within(strong.at_least(upper), [asked])
            # What the weaker policy allows too is no gain, except for what the weaker policy denies.
            mine = weak.at_least(upper)
            stronger = subtract(subtract(allowing, strong.denies), mine)
            if weak.denies:
                stronger += within(subtract(within(allowing, mine), strong.denies), weak.denies)
        # Boxes of what is let in may have requests in common; boxes of a region have none. What is known for sure goes
        # first, so that what is not known takes nothing from it.
        left = sorted(subtract(subtract(merged(stronger), told), space.impossible), key=space.opacity)
        fresh = apart(left)
        told += fresh
        found += [Region(tuple(merged(boxes)), lower, upper) for lower, boxes in _by_answer(weak, fresh, upper)]
    return found


def _by_answer(weak: Meaning, boxes: list[Box], upper: int) -> Iterator[tuple[int, list[Box]]]:
    """The boxes, divided by the answers of the weaker policy."""
    left = boxes
    denied = within(left, apart(weak.denies)) if weak.denies else []
    if denied:
        yield DENIES, denied
        left = subtract(left, weak.denies)
    for level in REACHES:
        mine = weak.at_least(level)
        if level < upper and left and mine:
            held = within(left, apart(mine))
            if held:
                yield level, held
                left = subtract(left, mine)
    if left:
        yield SILENT, left


# -- a request of a box ----------------------------------------------------------------------------------------------


class Witnesses:
    """Requests that the weaker policy refuses and the stronger allows."""

    def __init__(self, space: Space, weak: Side, strong: Side) -> None:
        self._space = space
        self._sides = weak, strong
        self._compiled: dict[tuple[int, str], CompiledPolicy] = {}

    def of(self, box: Box, lower: int, upper: int) -> dict[str, Any] | None:
        """The first request of the box, if the evaluator refuses it under the weaker policy and allows it under the
        stronger; else None."""
        space = self._space
        spend(sum(map(len, space.rules)) + len(space.dimensions))
        someone, action, arn, context = request_of(space, box)
        caller, grants, words = _surrounded(someone, action, lower, upper)
        verdicts = [
            evaluate(
                caller,
                Question(
                    action,
                    Resource(arn, space.account, self._policy(at, arn), {}, grants),
                    {**caller.context, **context},
                ),
            )
            for at in (0, 1)
        ]
        if verdicts[0].allowed or not verdicts[1].allowed:
            return None
        return {
            "principal": caller.principal,
            "action": action,
            "resource": arn,
            "context": {key: list(values) for key, values in context.items()},
            "with": words,
            "refused": verdicts[0].document(),
            "allowed": verdicts[1].document(),
        }

    def _policy(self, at: int, arn: str) -> CompiledPolicy:
        found = self._compiled.get((at, arn))
        if found is None:
            side = self._sides[at]
            spend(len(side.text) // 4)
            found = self._compiled[at, arn] = compile_key_policy(side.text, arn, side.version, side.ids)
        return found


def request_of(space: Space, box: Box) -> tuple[Someone, str, str, dict[str, tuple[str, ...]]]:
    """One request of a box: (caller, action, key, the values of condition keys). Condition keys are absent if possible."""
    context = {
        dimension.name: example
        for dimension, bits in space.keys_in(box)
        if (example := dimension.members[_lowest(bits)].example)
    }
    action = one_of(space.actions.members[_lowest(box[ACTION_AT])])
    return one_of(next(space.callers_in(box))), action, space.resources_in(box)[0], context


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _surrounded(someone: Someone, action: str, lower: int, upper: int) -> tuple[Caller, dict[str, list[Grant]], str]:
    """The caller in surroundings in which the difference decides, with the grants on the key."""
    caller = someone.caller()
    if upper == SILENT:
        name = next(name for name, how in someone.names.items() if how == DIRECT)
        return caller, {name: [_grant(name, action)]}, SURROUNDINGS[SILENT]
    if not caller.needs_policies:
        return caller, {}, "nothing else"
    stronger, weaker = WAY_OF[STATEMENT, upper], WAY_OF.get((STATEMENT, lower))
    if stronger.identity_policy:
        rules = compile_identity_policy(_EVERYTHING, IDENTITY_POLICY, someone.principal, "everything", MANAGED)
        caller.identity = Permissions(rules)
    elif not stronger.limits and weaker is not None and weaker.limits and not weaker.identity_policy:
        caller.boundary = NO_PERMISSIONS
        return caller, {}, WITHIN_NOTHING
    return caller, {}, SURROUNDINGS[upper]


def _grant(grantee: str, action: str) -> Grant:
    return Grant("example", "", "", grantee, grantee, "", "", frozenset({action}), {}, "", "", "", 0, 0)


def told_of(space: Space, boxes: Sequence[Box]) -> list[Box]:
    """The boxes without conditions on keys that an action never has: for PutKeyPolicy, nothing says that its encryption
    context is absent. This adds only impossible requests."""
    found = list(boxes)
    for name in space.carrying:
        place, without = space.places[name], space.without_parameter(name)
        cut = []
        for box in found:
            spend(2)
            actions = box[ACTION_AT]
            if box[place] != space.whole[place] and actions & without:
                anything = with_bits(box, place, space.whole[place])
                cut.append(with_bits(anything, ACTION_AT, actions & without))
                box = with_bits(box, ACTION_AT, actions & ~without)
            if box[ACTION_AT]:
                cut.append(box)
        found = cut
    return merged(found)


# -- in words ------------------------------------------------------------------------------------------------------


def space_shown(space: Space, box: Box) -> dict[str, Any]:
    """A box in the form that is shown; a member that is absent is not limited."""
    spend(10 + len(space.whole) // 4 + box[CALLER_AT].bit_count() * 4 + box[ACTION_AT].bit_count())
    result: dict[str, Any] = {
        "principals": [each.document() for everyone in space.callers_in(box) for each in _told(everyone)],
        "actions": space.actions_in(box),
    }
    if box[RESOURCE_AT] != space.resources.whole:
        result["resources"] = space.resources_in(box)
    result["conditions"] = [
        {"key": dimension.tests[0].key, "any_of": conditions_of(dimension, bits)}
        for dimension, bits in space.keys_in(box)
        if bits != dimension.whole
    ]
    return result


def _told(everyone: Sequence[Someone]) -> list[Someone]:
    """The callers of a case that are shown, without duplicates."""
    return list({str(each.document()): each for each in everyone}.values())


def conditions_of(dimension: Dimension, bits: int) -> list[dict[str, Any]]:
    """The cases in the fewest words. An item lists tests that hold or fail, and all of them must agree; one item is enough."""
    spend(len(dimension.tests) * len(dimension.members) // 4)
    sets = [
        ((number, holds), bits_of(case.passes[number] is holds for case in dimension.members))
        for number, test in enumerate(dimension.tests)
        for holds in (True, False)
    ]
    there = bits_of(bool(case.example) for case in dimension.members)
    sets += [((-1, True), there), ((-1, False), dimension.whole & ~there)]
    for name, covered in sets:
        if covered == bits:
            return [_item(dimension, [name], bits)]
    for at, (one, covered) in enumerate(sets):
        spend(1 + len(sets) // 8)
        for other, its in sets[at + 1 :]:
            if covered & its == bits:
                return [_item(dimension, [one, other], bits)]
    return [
        _item(dimension, [(number, passed) for number, passed in enumerate(case.passes)], 1 << at)
        for at, case in Space.members(dimension, bits)
    ]


def _item(dimension: Dimension, literals: Sequence[tuple[int, bool]], bits: int) -> dict[str, Any]:
    example = dimension.members[_lowest(bits)].example
    result: dict[str, Any] = {"holds": [], "fails": [], "example": list(example)}
    for number, holds in literals:
        if number < 0:
            result["present"] = holds
            continue
        test = dimension.tests[number]
        result["holds" if holds else "fails"].append({"operator": test.operator, "wanted": list(test.wanted)})
    return result
