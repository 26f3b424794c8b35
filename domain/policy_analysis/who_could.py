"""Who could: an evaluation with the request left open, in the order of `evaluate`.

Of a caller and a key everything is known but the request: whether a condition holds is settled where it reads what is known
of caller and key, and stays open where it reads the request. A path is what would let the caller in, with the conditions
that are still open; none is left out but those that no request can meet, so a caller without a path is refused whatever the
request says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice, product
from typing import Any, TypeVar

from domain.authorization.caller import Caller
from domain.authorization.context import carriers
from domain.authorization.question import Resource, made
from domain.grants.grant import EQUALS, SOURCE_ARN, UNCONSTRAINED, Grant
from domain.policy.compile import DIRECT, ROLE, Rule
from domain.policy.condition_keys import row_of
from domain.policy.conditions import Test
from domain.policy.variables import Context
from domain.policy_analysis.budget import spend
from domain.policy_analysis.possible import meetable

MOST_PATHS = 20
"""Paths that are told of one caller; one without open conditions comes first."""
_VARIABLE = re.compile(r"\$\{\s*([^{},]*?)\s*(?:,[^{}]*)?\}")
_SIGNS = frozenset("*?$")
_OF_THE_KEY = ("aws:resourcetag/", "kms:resourcealiases", "aws:resourceaccount", "kms:keyspec", "kms:keyusage")
_OF_A_USER = ("aws:principaltag/", "aws:username", "aws:sourceidentity")
_OF_THE_REQUEST = frozenset({"aws:viaawsservice", "aws:tokenissuetime", "aws:multifactorauthpresent"})
"""Known of a caller by default, and otherwise in another request."""
_OF_THE_SESSION = frozenset({"aws:userid"})
PAIRS = "kms:EncryptionContextKeys"

Open = tuple[dict[str, Any], ...]
"""Conditions in the record's form (operator, key, wanted), with the kind of policy that each is of."""


@dataclass(frozen=True, slots=True)
class Path:
    """What lets in: `by` a statement or grant, `delegation` the key policy's statement (or grant) that leaves it to the
    identity policy, `open` the conditions that the request has still to meet."""

    by: dict[str, Any]
    delegation: dict[str, Any] | None
    open: Open

    def document(self) -> dict[str, Any]:
        result: dict[str, Any] = {"by": self.by, "open": list(self.open)}
        return result | ({"delegation": self.delegation} if self.delegation is not None else {})


@dataclass(frozen=True, slots=True)
class Could:
    """`unless`: statements that would deny under their conditions, which are all of those open."""

    paths: tuple[Path, ...]
    unless: tuple[dict[str, Any], ...]


NEVER = Could((), ())


class Known:
    """What is known of a caller and a key, whatever the request."""

    def __init__(self, caller: Caller, action: str, resource: Resource) -> None:
        self._operation = action.partition(":")[2]
        known = {**caller.context, **resource.context}
        self._role = ROLE in caller.names.values()
        unknown = _OF_THE_REQUEST | (_OF_THE_SESSION if self._role else frozenset())
        # Of another account's principal nothing is told but its name: what it has is not known, rather than not there.
        self._stranger = bool(caller.account) and "aws:principaltype" not in caller.context
        self.context: Context = {name: values for name, values in known.items() if name not in unknown}

    def settles(self, test: Test) -> bool:
        """Whether the test reads nothing but what is known: a key that the operation has no parameter for is not there."""
        return self._is_known(test.key.lower()) and not self.unsettled(test.wanted)

    def unsettled(self, texts: Iterable[str]) -> list[str]:
        """The texts with a policy variable whose value is not known."""
        return [
            text
            for text in texts
            if any(not self._is_known(name.lower()) for name in _VARIABLE.findall(text) if _varies(name))
        ]

    def _is_known(self, key: str) -> bool:
        carrying = carriers(key)
        if carrying is not None and self._operation not in carrying:
            return True
        if key in self.context or key.startswith(_OF_THE_KEY):
            # A session may bring tags of its own, which go before the role's.
            return not (self._role and key.startswith("aws:principaltag/"))
        return not self._role and not self._stranger and key.startswith(_OF_A_USER)


def _varies(name: str) -> bool:
    """Whether a policy variable of this name stands for something: a key that can have many values is no variable."""
    row = row_of(name)
    return name not in _SIGNS and not (row is not None and row.many)


def could(caller: Caller, action: str, resource: Resource, *, reaches: bool = True) -> Could:
    """`reaches`: whether the operation can be called from another account."""
    at_home = caller.account == resource.account
    if not at_home and not reaches:
        return NEVER
    known = Known(caller, action, resource)
    policy = resource.policy
    assert policy is not None, "a key has its policy"
    spend(10 + len(policy.rules) + len(caller.identity.rules))
    own = list(_speaking(caller.identity.rules, action, resource, known))
    limits = [
        list(_speaking(each.rules, action, resource, known))
        for each in (caller.boundary, caller.session)
        if each is not None
    ]
    stated = [
        (rule.who(caller.names) if rule.who is not None else DIRECT, rule, conditions)
        for rule, conditions in _speaking(policy.rules, action, resource, known)
    ]
    denies = [(rule, conditions) for how, rule, conditions in stated if how and rule.denies]
    denies += [(rule, conditions) for rules in (own, *limits) for rule, conditions in rules if rule.denies]
    if any(not conditions for _, conditions in denies):
        return NEVER
    identity, *limiting = [[each for each in rules if not each[0].denies] for rules in (own, *limits)]
    allowing, within = _least(identity), [_least(rules) for rules in limiting]
    paths: list[Path] = []
    speaking = [each for each in stated if each[0] and not each[1].denies]
    granted = sorted(_granted(caller, action, resource), key=lambda each: made(each[1]))
    for how, rule, conditions in _least_of_each(speaking):
        paths += _through(rule.by.document(), how, conditions, at_home, caller, allowing, within)
    for how, grant, conditions in _least_of_each(granted):
        paths += _by_grant(grant, how, conditions, allowing, within)
    paths.sort(key=lambda path: len(path.open))
    told = _met([conditions for _, conditions in denies], paths[:MOST_PATHS])
    counts = (*map(len, (identity, *limiting)), len(speaking), len(granted), len(paths))
    whole = max(counts) <= MOST_PATHS
    if not told and not whole:
        told = paths[:MOST_PATHS]  # some other path may be met, and nobody is left out
    unless = tuple({"by": rule.by.document(), "open": list(conditions)} for rule, conditions in denies)
    return Could(tuple(told), unless) if told else NEVER


def _met(denies: Sequence[Open], paths: Sequence[Path]) -> list[Path]:
    """The paths that some request meets, and meets without meeting all conditions of a Deny."""
    return [
        path
        for path in paths
        if not path.open
        or (
            meetable(path.open)
            and all(any(meetable(path.open, but_not=each) for each in conditions) for conditions in denies)
        )
    ]


Stated = tuple[Rule, Open]


def _speaking(rules: Iterable[Rule], action: str, resource: Resource, known: Known) -> Iterator[Stated]:
    """The statements that can say something of the action, each with its open conditions; () where there is none."""
    folded = action.lower()
    for rule in rules:
        if rule.elsewhere or rule.acts is None or not rule.acts(folded):
            continue
        named = (*(rule.statement.resource or ()), *(rule.statement.not_resource or ()))
        unsettled = known.unsettled(named)
        if not unsettled and rule.covers is not None and not rule.covers(resource.arn, known.context):
            continue
        conditions = _open(rule, known)
        if conditions is not None and (not conditions or meetable(conditions)):
            where = (
                ({"operator": "ArnLike", "key": "Resource", "wanted": unsettled, "kind": rule.by.kind},)
                if unsettled
                else ()
            )
            yield rule, (*where, *conditions)


def _open(rule: Rule, known: Known) -> Open | None:
    """The conditions that are open; None where a settled one does not hold."""
    if rule.tests is None:
        return () if rule.denies else None
    found = []
    for test in rule.tests:
        if not known.settles(test):
            condition = {"operator": test.operator, "key": test.key, "wanted": list(test.wanted)}
            found.append(condition | {"kind": rule.by.kind})
        elif not test.holds(known.context):
            return None
    return tuple(found)


def _least(statements: Sequence[Stated]) -> Sequence[Stated]:
    """One without open conditions stands for all."""
    free = [each for each in statements if not each[1]]
    return free[:1] or _fewest(statements, lambda each: len(each[1]))


T = TypeVar("T")


def _fewest(found: Sequence[T], conditions: Callable[[T], int]) -> Sequence[T]:
    """Those with the fewest open conditions, as many as are told, in the order in which they stand. The others come into
    no path that is told: with each of these the same path has as many conditions or fewer, and stands before it."""
    if len(found) <= MOST_PATHS:
        return found
    places = nsmallest(MOST_PATHS, range(len(found)), key=lambda at: (conditions(found[at]), at))
    return [found[at] for at in sorted(places)]


def _least_of_each(found: Sequence[tuple[int, T, Open]]) -> Sequence[tuple[int, T, Open]]:
    """As above, of each way in which the caller is meant."""
    if len(found) <= MOST_PATHS:
        return found
    kept = {
        id(each)
        for how in {each[0] for each in found}
        for each in _fewest([each for each in found if each[0] == how], lambda each: len(each[2]))
    }
    return [each for each in found if id(each) in kept]


def _through(
    by: dict[str, Any],
    how: int,
    conditions: Open,
    at_home: bool,
    caller: Caller,
    allowing: Sequence[Stated],
    within: Sequence[Sequence[Stated]],
) -> Iterator[Path]:
    """Paths of a key policy's statement, as `evaluate` goes on from it."""
    if at_home and how == DIRECT:
        yield Path(by, None, conditions)
    elif (at_home and how == ROLE) or (not at_home and not caller.needs_policies):
        yield from _limited(by, None, conditions, within)
    else:
        for rule, more in allowing:
            yield from _limited(rule.by.document(), by, (*conditions, *more), within)


def _by_grant(
    grant: Grant, how: int, conditions: Open, allowing: Sequence[Stated], within: Sequence[Sequence[Stated]]
) -> Iterator[Path]:
    by: dict[str, Any] = dict(grant.document())
    if how == DIRECT:
        yield Path(by, None, conditions)
    elif how == ROLE:
        yield from _limited(by, None, conditions, within)
    else:
        for rule, more in allowing:
            yield from _limited(rule.by.document(), by, (*conditions, *more), within)


def _limited(
    by: dict[str, Any], delegation: dict[str, Any] | None, conditions: Open, within: Sequence[Sequence[Stated]]
) -> Iterator[Path]:
    """Within boundary and session policy, each of which has to allow it too."""
    for chosen in islice(product(*within), MOST_PATHS):
        yield Path(by, delegation, (*conditions, *(each for _, more in chosen for each in more)))


def _granted(caller: Caller, action: str, resource: Resource) -> Iterator[tuple[int, Grant, Open]]:
    for name, how in caller.names.items():
        for grant in resource.grants.get(name, ()):
            if action in grant.operations:
                yield how, grant, () if action in UNCONSTRAINED else constraints_of(grant)


def constraints_of(grant: Grant) -> Open:
    """A grant's constraints as conditions."""
    found: list[dict[str, Any]] = []
    for name, wanted in grant.constraints.items():
        if name == SOURCE_ARN:
            found.append({"operator": "StringEquals", "key": "aws:SourceArn", "wanted": [wanted], "kind": "grant"})
        elif isinstance(wanted, str):
            continue
        elif not wanted and name == EQUALS:  # of an encryption context that has no pairs
            found.append({"operator": "Null", "key": PAIRS, "wanted": ["true"], "kind": "grant"})
        else:
            found += [
                {"operator": name, "key": f"kms:EncryptionContext:{key}", "wanted": [value], "kind": "grant"}
                for key, value in wanted.items()
            ]
    return tuple(found)
