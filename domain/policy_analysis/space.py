"""The requests that some key policies can tell apart, and each policy as a set of them.

A request has a caller, an action, a key and the values of condition keys. Each is a dimension, cut into finitely many cases
by the conditions of the policies. Conditions on keys that follow from the caller belong to the callers. A condition that
cannot be cut (for instance, because of a policy variable) is a dimension of its own, in which it holds or does not. A
result that is the same either way is known for sure; any other is never called known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.authorization.context import carriers
from domain.authorization.evaluation_order import is_at_home, reach_of
from domain.grants.operations import GRANTABLE
from domain.policy import unseen
from domain.policy.compile import DIRECT, ROLE, CompiledStatement, has_variables, key_policy_statements
from domain.policy.conditions import Test, compile_test
from domain.policy.parse import KEY, Policy, parse_policy
from domain.policy_analysis import values
from domain.policy_analysis.boxes import Box
from domain.policy_analysis.budget import spend, steps_of
from domain.policy_analysis.callers import FOLLOWING, NAME, Someone, someones
from domain.policy_analysis.dimensions import (
    ACTION,
    ACTION_AT,
    CALLER,
    CALLER_AT,
    EITHER,
    RESOURCE,
    RESOURCE_AT,
    Dimension,
    OpaqueTest,
    bits_of,
    one_of,
    with_bits,
)
from domain.policy_analysis.resources import key_arns
from domain.policy_analysis.values import (
    VARIABLE,
    WORDS,
    Unmodelled,
    ValueCase,
    cases,
    family,
    require_readable,
)
from domain.policy_analysis.words import TooMany


@dataclass(frozen=True, slots=True)
class Side:
    """A key policy, with the unique ids that its principals' ARNs meant when it was put. Raises what parse_policy raises."""

    text: str
    ids: Mapping[str, str] = field(default_factory=dict)
    version: int = 1

    def parsed(self) -> Policy:
        return parse_policy(self.text, KEY)


@dataclass(slots=True)
class Meaning:
    """What a policy denies, and what it allows, by the way in which it names the caller (DIRECT, ROLE, DELEGATED)."""

    denies: list[Box]
    allows: dict[int, list[Box]]
    rules: tuple[CompiledStatement, ...]

    def at_least(self, level: int) -> list[Box]:
        return [box for how, boxes in self.allows.items() if how >= level for box in boxes]


class Space:
    """`key` is the ARN of the policies' key, "" if they could belong to any key of the account. `more` are further
    principals to tell apart, `fixed` are condition keys with known values, `examples` are further values of keys."""

    def __init__(
        self,
        sides: Sequence[Side],
        account: str,
        actions: Sequence[str],
        key: str = "",
        more: Sequence[str] = (),
        fixed: Mapping[str, tuple[str, ...]] | None = None,
        examples: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.account, self.key, self._fixed, self._examples = account, key, fixed or {}, examples or {}
        self._policies = [side.parsed() for side in sides]
        self.sides = sides
        self.rules = [
            tuple(
                rule
                for rule in key_policy_statements(policy, key, side.version, side.ids)
                if rule.acts is not None and not (rule.tests is None and not rule.denies)
            )
            for policy, side in zip(self._policies, sides, strict=True)
        ]
        self.opaque: dict[tuple[Any, ...], list[OpaqueTest]] = {}
        self._callers(more)
        keys = self._keys()
        self._actions(actions, list(keys))
        self._resources()
        self.keys = frozenset(keys)
        """The condition keys that have a dimension."""
        self.key_dimensions = list(keys.values())
        self.dimensions = [self.callers, self.actions, self.resources, *self.key_dimensions]
        self.places = {dimension.name: at for at, dimension in enumerate(self.dimensions)}
        self._opaque_at = {name: len(self.dimensions) + at for at, name in enumerate(self.opaque)}
        self.dimensions += [Dimension("opaque", (True, False)) for _ in self.opaque]
        self.whole: Box = tuple(dimension.whole for dimension in self.dimensions)
        self.meanings = [self._meaning(at) for at in range(len(sides))]
        self.impossible = list(self._impossible(keys))

    # -- dimensions -----------------------------------------------------------------------------------------------

    def _tests(self) -> Iterable[tuple[CompiledStatement, Test, str]]:
        for rules, policy in zip(self.rules, self._policies, strict=True):
            for rule in rules:
                for test in rule.tests or ():
                    yield rule, test, policy.version

    @property
    def usernames(self) -> frozenset[str]:
        """What the policies compare aws:username with."""
        return frozenset(text for test in self.caller_tests if test.key.lower() == NAME for text in test.wanted)

    def _hide(self, rule: CompiledStatement, test: Test, version: str, why: str) -> None:
        made = OpaqueTest(test.operator, test.key, test.wanted, why, rule.by.document())
        self.opaque.setdefault(_name_of(test, version), []).append(made)

    def _readable(self, following: bool) -> list[tuple[CompiledStatement, Test, str]]:
        """The tests of keys that follow from the caller, or of the other keys. Tests that cannot be cut are put aside."""
        found = []
        for rule, test, version in self._tests():
            if (test.key.lower() in FOLLOWING) is not following:
                continue
            try:
                require_readable(test, version)
            except Unmodelled as fault:
                self._hide(rule, test, version, fault.why)
                continue
            if following and family(test) not in ("", WORDS):
                self._hide(rule, test, version, "it compares who calls as no text")
                continue
            if test.key == unseen.KEY:
                self._hide(rule, test, version, "the trail never saw it")
                continue
            found.append((rule, test, version))
        return found

    def _callers(self, more: Sequence[str]) -> None:
        read = self._readable(following=True)
        self.caller_tests = [test for _, test, _ in read]
        principals = [
            named
            for rules in self.rules
            for rule in rules
            for named in (rule.statement.principal, rule.statement.not_principal)
            if named is not None
        ]
        bounded = any(
            rule.denies and rule.statement.not_principal is not None for rules in self.rules for rule in rules
        )
        ids = sorted({pair for side in self.sides for pair in side.ids.items()})
        try:
            asked = [(test, version) for _, test, version in read]
            everyone = someones(principals, asked, ids, self.account, more, bounded=bounded)
        except TooMany as fault:
            for rule, test, version in read:
                self._hide(rule, test, version, str(fault))
            read = []
            everyone = someones(principals, [], ids, self.account, more, bounded=bounded)
        whos = {id(rule.who): rule.who for rules in self.rules for rule in rules if rule.who is not None}
        tests = {_name_of(test, version): test for _, test, version in read}
        groups: dict[tuple[Any, ...], list[Someone]] = {}
        for each in everyone:
            spend(2 + (len(whos) + len(tests) + len(more)) // 4)
            signature = (
                is_at_home(each.account, self.account),
                each.kind == "root",
                *(name in each.names for name in more),
                *(who(each.names) for who in whos.values()),
                *(test.holds(each.context) for test in tests.values()),
            )
            groups.setdefault(signature, []).append(each)
        self.callers = Dimension(CALLER, list(groups.values()), list(tests.values()))

    def _actions(self, actions: Sequence[str], keys: Sequence[str]) -> None:
        carrying = {key: of for key in keys if (of := carriers(key)) is not None}
        groups: dict[tuple[Any, ...], list[str]] = {}
        acts = [rule.acts for rules in self.rules for rule in rules if rule.acts is not None]
        for action in actions:
            folded, name = action.lower(), action.partition(":")[2]
            spend(2 + len(acts) + len(carrying) // 4)
            signature = (
                action.removeprefix("kms:") in GRANTABLE,
                *(act(folded) for act in acts),
                *(name in of for of in carrying.values()),
            )
            groups.setdefault(signature, []).append(action)
        self.actions = Dimension(ACTION, list(groups.values()))
        self.carrying = carrying

    def _resources(self) -> None:
        candidates = [self.key] if self.key else key_arns(self._policies, self.account)
        for policy, rules in zip(self._policies, self.rules, strict=True):
            for rule in rules:
                if rule.covers is not None and has_variables(rule.statement, policy.version):
                    wanted = rule.statement.resource or rule.statement.not_resource or ()
                    made = OpaqueTest("ArnLike", "Resource", wanted, VARIABLE, rule.by.document())
                    self.opaque.setdefault(_resource_of(rule), []).append(made)
        covers = [
            rule.covers
            for policy, rules in zip(self._policies, self.rules, strict=True)
            for rule in rules
            if rule.covers is not None and not has_variables(rule.statement, policy.version)
        ]
        found: dict[tuple[bool, ...], str] = {}
        for arn in candidates:
            spend(1 + len(covers))
            found.setdefault(tuple(each(arn, {}) for each in covers), arn)
        self.resources = Dimension(RESOURCE, [[arn] for arn in found.values()])

    def _keys(self) -> dict[str, Dimension]:
        by_key: dict[str, dict[tuple[Any, ...], tuple[CompiledStatement, Test, str]]] = {}
        for rule, test, version in self._readable(following=False):
            by_key.setdefault(test.key.lower(), {}).setdefault(_name_of(test, version), (rule, test, version))
        for key in list(by_key):
            for prefix, names in values.NAMES_OF.items():
                if key.startswith(prefix) and names in by_key:
                    # A pair is present if and only if its name is among the names; this test joins those of the
                    # policies.
                    name = key.removeprefix(prefix)
                    if name.isascii():
                        test = compile_test(values.AMONG, names, [name], "2008-10-17")
                        by_key[names][(values.AMONG, name)] = (
                            next(iter(by_key[names].values()))[0],
                            test,
                            "2008-10-17",
                        )
        found: dict[str, Dimension] = {}
        for key, tests in by_key.items():
            made = self._cases(key, dict(tests))
            if made is not None:
                found[key] = made
        return found

    def _cases(self, key: str, tests: dict[tuple[Any, ...], tuple[CompiledStatement, Test, str]]) -> Dimension | None:
        while tests:
            try:
                made = cases(key, [(test, version) for _, test, version in tests.values()], self._examples.get(key, ()))
            except Unmodelled as fault:
                name = next(name for name, (_, test, _) in tests.items() if test is fault.test)
                self._put_aside(*tests.pop(name), fault.why)
                continue
            except TooMany as fault:
                for each in tests.values():
                    self._put_aside(*each, str(fault))
                return None
            if key in self._fixed:
                context = {key: self._fixed[key]} if self._fixed[key] else {}
                passes = tuple(test.holds(context) for _, test, _ in tests.values())
                made = (ValueCase(self._fixed[key], passes),)
            return Dimension(key, made, [test for _, test, _ in tests.values()])
        return None

    def _put_aside(self, rule: CompiledStatement, test: Test, version: str, why: str) -> None:
        spend(sum(map(len, self.rules)))
        for each, same, its in self._tests():
            if _name_of(same, its) == _name_of(test, version):
                self._hide(each, same, its, why)

    # -- policies -------------------------------------------------------------------------------------------------

    def _meaning(self, at: int) -> Meaning:
        rules, version = self.rules[at], self._policies[at].version
        meaning = Meaning([], {}, rules)
        members = len(self.callers.members) + len(self.actions.members)
        for rule in rules:
            spend(1 + members + len(self.dimensions) // 8)
            box = list(self.whole)
            acts = rule.acts
            assert acts is not None, "a statement without actions is left out"
            box[ACTION_AT] = bits_of(acts(one_of(names).lower()) for names in self.actions.members)
            self._narrow(box, rule, version)
            levels: dict[int, int] = {}
            for place, everyone in enumerate(self.callers.members):
                level = self._level(rule, one_of(everyone))
                if level:
                    levels[level] = levels.get(level, 0) | 1 << place
            if rule.denies:
                levels = {DIRECT: sum(levels.values())} if levels else {}
            for level, bits in levels.items():
                made = with_bits(box, CALLER_AT, box[CALLER_AT] & bits)
                if all(made):
                    (meaning.denies if rule.denies else meaning.allows.setdefault(level, [])).append(made)
        return meaning

    def _level(self, statement: CompiledStatement, each: Someone) -> int:
        means = DIRECT if statement.who is None else statement.who(each.names)
        at_home = is_at_home(each.account, self.account)
        reach = reach_of(means, at_home=at_home, needs_policies=each.needs_policies)
        # A root user has neither boundary nor session policy, so their limits do not apply.
        return DIRECT if reach == ROLE and not each.needs_policies else reach

    def _narrow(self, box: list[int], rule: CompiledStatement, version: str) -> None:
        """Narrows the box to the requests for which the statement's Resource and Condition hold."""
        if rule.covers is not None:
            if has_variables(rule.statement, version):
                box[self._opaque_at[_resource_of(rule)]] &= 1
            else:
                covers = rule.covers
                box[RESOURCE_AT] &= bits_of(covers(one_of(arns), {}) for arns in self.resources.members)
        for test in rule.tests or ():
            name = _name_of(test, version)
            key = test.key.lower()
            place = CALLER_AT if key in FOLLOWING else self.places.get(key, CALLER_AT)
            spend(2 + steps_of(test) * len(self.dimensions[place].members))
            if name in self._opaque_at:
                box[self._opaque_at[name]] &= 1
            elif key in FOLLOWING:
                box[CALLER_AT] &= bits_of(test.holds(one_of(everyone).context) for everyone in self.callers.members)
            else:
                place = self.places[key]
                dimension = self.dimensions[place]
                box[place] &= bits_of(
                    test.holds({key: case.example} if case.example else {}) for case in dimension.members
                )

    def _impossible(self, keys: Mapping[str, Dimension]) -> Iterable[Box]:
        """Requests that are impossible: a condition key with an action that lacks the parameter, or a pair without its name."""
        for key, dimension in keys.items():
            spend(len(dimension.members) + len(self.actions.members) + len(self.whole) // 4)
            there = bits_of(bool(case.example) for case in dimension.members)
            without = self.without_parameter(key) if key in self.carrying else 0
            if key in self.carrying and key not in self._fixed:
                yield self.box({ACTION: without, key: there})
            for prefix, names_key in values.NAMES_OF.items():
                if key.startswith(prefix) and names_key in keys:
                    held = keys[names_key]
                    asked = [
                        test.operator == values.AMONG and test.wanted == (key.removeprefix(prefix),)
                        for test in held.tests
                    ]
                    if any(asked):
                        among = asked.index(True)
                        named = bits_of(case.passes[among] for case in held.members)
                        yield self.box({key: there, names_key: held.whole & ~named})
                        # UntagResource has the names of tags and no pairs.
                        with_pairs = self.actions.whole & ~without
                        yield self.box({ACTION: with_pairs, key: dimension.whole & ~there, names_key: named})

    def box(self, bits: Mapping[str, int]) -> Box:
        """All requests whose cases are among these bits; dimensions by name."""
        spend(1 + len(self.whole) // 16)
        by_place = {self.places[name]: its for name, its in bits.items()}
        return tuple(by_place.get(at, whole) for at, whole in enumerate(self.whole))

    def box_of_grantable(self) -> Box | None:
        """All requests that a grant could let in; None if there are none."""
        bits = bits_of(one_of(names).removeprefix("kms:") in GRANTABLE for names in self.actions.members)
        return self.box({ACTION: bits}) if bits else None

    @staticmethod
    def members(dimension: Dimension, bits: int) -> Iterator[tuple[int, Any]]:
        """The members of a dimension whose bit is set, with their places."""
        for at, member in enumerate(dimension.members):
            if bits >> at & 1:
                yield at, member

    def callers_in(self, box: Box) -> Iterator[list[Someone]]:
        """The cases of callers in a box."""
        return (everyone for _, everyone in self.members(self.callers, box[CALLER_AT]))

    def actions_in(self, box: Box) -> list[str]:
        """The actions of a box, in order."""
        return sorted(name for _, names in self.members(self.actions, box[ACTION_AT]) for name in names)

    def resources_in(self, box: Box) -> list[str]:
        """One ARN for each case of resources in a box."""
        return [one_of(arns) for _, arns in self.members(self.resources, box[RESOURCE_AT])]

    def freed(self, box: Box) -> Box:
        """The same callers, actions and resources under any condition."""
        return (*box[: RESOURCE_AT + 1], *self.whole[RESOURCE_AT + 1 :])

    def keys_in(self, box: Box) -> Iterator[tuple[Dimension, int]]:
        """The dimensions of condition keys, each with its bits in a box."""
        return ((dimension, box[self.places[dimension.name]]) for dimension in self.key_dimensions)

    def without_parameter(self, key: str) -> int:
        """The actions without a parameter that could give the condition key a value."""
        carrying = self.carrying[key]
        return bits_of(one_of(names).partition(":")[2] not in carrying for names in self.actions.members)

    def opacity(self, box: Box) -> int:
        """The number of uncut conditions that a box depends on."""
        return sum(box[at] != EITHER for at in self._opaque_at.values())

    def opaque_in(self, box: Box) -> list[OpaqueTest]:
        """The conditions that were not cut into cases and that a box depends on; because of them it is not fully known."""
        return [each for name, at in self._opaque_at.items() if box[at] != EITHER for each in self.opaque[name]]

    def of_actions(self, wanted: Iterable[str]) -> int:
        """The bits of the cases that hold one of these actions."""
        asked = frozenset(wanted)
        return bits_of(any(name in asked for name in names) for names in self.actions.members)


def _name_of(test: Test, version: str) -> tuple[Any, ...]:
    with_variables = version if any("${" in each for each in test.wanted) else ""
    return test.operator, test.key.lower(), tuple(sorted(test.wanted)), with_variables


def _resource_of(rule: CompiledStatement) -> tuple[Any, ...]:
    return "Resource", rule.statement.resource, rule.statement.not_resource
