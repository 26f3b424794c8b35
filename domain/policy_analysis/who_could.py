"""Who could: an evaluation in which the request is left open, in the order of `authorization.evaluation_order`.

Caller and key are known; the request is not. A condition on caller or key is settled: it holds or does not. A condition on
the request stays open. A path is a way in with the conditions that are still open on it. Every path that some request can
take is found, so a caller without a path is refused for every request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice, product
from typing import Any, TypeVar

from domain.authorization.caller import Caller
from domain.authorization.context import carriers
from domain.authorization.evaluation_order import CLOSED, GRANT, STATEMENT, WAY_OF, WayIn, is_at_home, reach_of
from domain.authorization.question import Resource, made
from domain.authorization.verdict import ACCOUNT_ROOT
from domain.grants.grant import EQUALS, SOURCE_ARN, UNCONSTRAINED, Grant
from domain.policy.compile import DELEGATED, DIRECT, ROLE, CompiledStatement
from domain.policy.condition_keys import row_of
from domain.policy.conditions import Test
from domain.policy.variables import Context, keys_written
from domain.policy_analysis.budget import spend
from domain.policy_analysis.possible import meetable

MOST_PATHS = 20
"""The most paths that are shown for one caller. A path without open conditions comes first."""
_OF_THE_KEY = (
    "aws:resourcetag/",
    "iam:resourcetag/",
    "kms:resourcealiases",
    "aws:resourceaccount",
    "kms:keyspec",
    "kms:keyusage",
)
_OF_A_USER = ("aws:principaltag/", "aws:sourceidentity")
_USERNAME, _SERVICE_NAME, _IS_SERVICE = "aws:username", "aws:principalservicename", "aws:principalisawsservice"
_OF_THE_REQUEST = frozenset({"aws:viaawsservice", "aws:tokenissuetime", "aws:multifactorauthpresent"})
"""Keys for which a caller has a default value, but another value in another request."""
_OF_THE_SESSION = frozenset({"aws:userid"})
PAIRS = "kms:EncryptionContextKeys"
RETIRE = "kms:RetireGrant"

Open = tuple[dict[str, Any], ...]
"""Conditions in the record's form (operator, key, wanted), each with the kind of its policy."""


@dataclass(frozen=True, slots=True)
class Path:
    """`by` is the statement or grant that lets the caller in. `delegation` is the key policy's statement (or the grant)
    that leaves the decision to the identity policy. `open` are the conditions that the request must still meet."""

    by: dict[str, Any]
    delegation: dict[str, Any] | None
    open: Open

    def document(self) -> dict[str, Any]:
        result: dict[str, Any] = {"by": self.by, "open": list(self.open)}
        return result | ({"delegation": self.delegation} if self.delegation is not None else {})


@dataclass(frozen=True, slots=True)
class Could:
    """`unless`: statements that would deny if their conditions are met; all these conditions are open."""

    paths: tuple[Path, ...]
    unless: tuple[dict[str, Any], ...]


NEVER = Could((), ())


class KnownFacts:
    """What is known of a caller and a key for every request."""

    def __init__(self, caller: Caller, action: str, resource: Resource, unknown_keys: Set[str] = frozenset()) -> None:
        self._operation = action.partition(":")[2]
        known = {**caller.context, **resource.context}
        self._role = ROLE in caller.names.values()
        self._unknown = unknown_keys
        unknown = _OF_THE_REQUEST | (_OF_THE_SESSION if self._role else frozenset())
        # Only the name of another account's principal is known here, and nothing of anybody: other keys are unknown rather than
        # absent.
        anybody = caller.principal == "*"
        self._stranger = (bool(caller.account) or anybody) and "aws:principaltype" not in caller.context
        self.context: Context = {name: values for name, values in known.items() if name not in unknown}

    def settles(self, test: Test) -> bool:
        """Whether the test reads only known values. A key is known to be absent if the operation has no parameter for it."""
        return self._is_known(test.key.lower()) and not self.unsettled(test.wanted)

    def unsettled(self, texts: Iterable[str]) -> list[str]:
        """The texts with a policy variable of unknown value."""
        return [
            text
            for text in texts
            if any(not self._is_known(name.lower()) for name in keys_written(text) if _varies(name))
        ]

    def _is_known(self, key: str) -> bool:
        carrying = carriers(key)
        if carrying is not None and self._operation not in carrying:
            return True
        if key in self._unknown:
            return False
        if key in self.context or key.startswith(_OF_THE_KEY):
            # A session may have tags of its own, which replace the role's.
            return not (self._role and key.startswith("aws:principaltag/"))
        if key == _USERNAME:  # users alone have one
            return not self._stranger
        if key == _SERVICE_NAME:
            return self.context.get(_IS_SERVICE) == ("false",)
        return not self._role and not self._stranger and key.startswith(_OF_A_USER)


def _varies(name: str) -> bool:
    """Whether a policy variable of this name has a value: a key with many values is no variable."""
    row = row_of(name)
    return row is None or not row.many


def could(
    caller: Caller, action: str, resource: Resource, *, reaches: bool = True, unknown: Set[str] = frozenset()
) -> Could:
    """`reaches`: whether the operation can be called from another account. `unknown`: condition keys, in lower case, that the
    key may have any value of."""
    if caller.account != resource.account and not reaches:
        return NEVER
    policies = _Policies(caller, action, resource, unknown)
    if policies.refuse:
        return NEVER
    if resource.policy is None:
        own = caller.account == resource.account  # a service is at no account's home here
        return policies.found(list(_by_account(caller, policies)), 0) if own else NEVER
    # 2. Ways in; 3. and 4. the other policies that must allow the request on each of them.
    allowing, within = policies.allowing, policies.within
    paths: list[Path] = []
    granted = sorted(_granted(caller, action, resource), key=lambda each: made(each[1]))
    at_home = is_at_home(caller.account, resource.account)
    for means, statement, conditions in _least_of_each(policies.speaking):
        reach = reach_of(means, at_home=at_home, needs_policies=caller.needs_policies)
        paths += _paths(WAY_OF[STATEMENT, reach], statement.by.document(), conditions, allowing, within)
    for means, grant, conditions in _least_of_each(granted):
        paths += _paths(WAY_OF[GRANT, means], dict(grant.document()), conditions, allowing, within)
    return policies.found(paths, len(granted))


def could_retire(caller: Caller, resource: Resource) -> Could:
    """Whether the caller could retire some grant of the key. No statement of the key's policy allows that, though one may refuse
    it: the grant says who may (`domain.commands.grants.permissions_to_retire`; API reference, RetireGrant)."""
    policies = _Policies(caller, RETIRE, resource, frozenset())
    if policies.refuse:
        return NEVER
    paths, by_account = list[Path](), False
    grants = {each.id: each for some in resource.grants.values() for each in some}
    for grant in sorted(grants.values(), key=made):
        retiring, grantee = (caller.names.get(name, CLOSED) for name in (grant.retiring, grant.grantee))
        if retiring > DELEGATED or (grantee > DELEGATED and RETIRE in grant.operations):
            paths.append(Path(dict(grant.document()), None, ()))
        elif retiring == DELEGATED or (caller.account and caller.account in (grant.issued_by, resource.account)):
            by_account = True
    if by_account:
        paths += _by_account(caller, policies)
    return policies.found(paths, len(grants))


def _by_account(caller: Caller, policies: _Policies) -> Iterator[Path]:
    """The paths where no policy of the resource decides: identity policies do, and a root user needs none."""
    if not caller.needs_policies:
        yield Path({"rule": ACCOUNT_ROOT}, None, ())
        return
    for statement, conditions in policies.allowing:
        yield from _limited(statement.by.document(), None, conditions, policies.within)


class _Policies:
    """What of every policy speaks about a request of the caller. `refuse`: a Deny without open conditions does."""

    def __init__(self, caller: Caller, action: str, resource: Resource, unknown: Set[str]) -> None:
        known = KnownFacts(caller, action, resource, unknown)
        stating = () if resource.policy is None else resource.policy.statements
        spend(10 + len(stating) + len(caller.identity.statements))
        own = list(_speaking(caller.identity.statements, action, resource, known))
        limits = [
            list(_speaking(each.statements, action, resource, known))
            for each in (caller.boundary, caller.session)
            if each is not None
        ]
        stated = [
            (means, statement, conditions)
            for statement, conditions in _speaking(stating, action, resource, known)
            if (means := DIRECT if statement.who is None else statement.who(caller.names)) != CLOSED
        ]
        # 1. Explicit deny.
        self.denies = [(statement, conditions) for _, statement, conditions in stated if statement.denies]
        self.denies += [each for statements in (own, *limits) for each in statements if each[0].denies]
        self.refuse = any(not conditions for _, conditions in self.denies)
        identity, *limiting = [[each for each in statements if not each[0].denies] for statements in (own, *limits)]
        self.allowing, self.within = _least(identity), [_least(statements) for statements in limiting]
        self.speaking = [each for each in stated if not each[1].denies]
        self._most = max(len(self.speaking), *map(len, (identity, *limiting)))

    def found(self, paths: list[Path], granted: int) -> Could:
        """The paths that no Deny closes. `granted`: how many grants they come from."""
        paths.sort(key=lambda path: len(path.open))
        told = _met([conditions for _, conditions in self.denies], paths[:MOST_PATHS])
        whole = max(self._most, granted, len(paths)) <= MOST_PATHS
        if not told and not whole:
            told = paths[:MOST_PATHS]  # another path may be possible, and no caller may be left out
        unless = tuple({"by": rule.by.document(), "open": list(conditions)} for rule, conditions in self.denies)
        return Could(tuple(told), unless) if told else NEVER


def _met(denies: Sequence[Open], paths: Sequence[Path]) -> list[Path]:
    """The paths that some request can take without meeting all conditions of a Deny."""
    return [
        path
        for path in paths
        if not path.open
        or (
            meetable(path.open)
            and all(any(meetable(path.open, but_not=each) for each in conditions) for conditions in denies)
        )
    ]


OpenStatement = tuple[CompiledStatement, Open]


def _speaking(
    rules: Iterable[CompiledStatement], action: str, resource: Resource, known: KnownFacts
) -> Iterator[OpenStatement]:
    """The statements that can match the action, each with its open conditions; () if it has none."""
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


def _open(rule: CompiledStatement, known: KnownFacts) -> Open | None:
    """The open conditions; None if a settled condition does not hold."""
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


def _least(statements: Sequence[OpenStatement]) -> Sequence[OpenStatement]:
    """If a statement has no open condition, it represents all."""
    free = [each for each in statements if not each[1]]
    return free[:1] or _fewest(statements, lambda each: len(each[1]))


T = TypeVar("T")


def _fewest(found: Sequence[T], conditions: Callable[[T], int]) -> Sequence[T]:
    """The statements with the fewest open conditions, as many as are shown, in their order. The others appear in no shown
    path: the same path through one of these has at most as many conditions and comes first."""
    if len(found) <= MOST_PATHS:
        return found
    places = nsmallest(MOST_PATHS, range(len(found)), key=lambda at: (conditions(found[at]), at))
    return [found[at] for at in sorted(places)]


def _least_of_each(found: Sequence[tuple[int, T, Open]]) -> Sequence[tuple[int, T, Open]]:
    """`_fewest`, for each way in which the caller is named."""
    if len(found) <= MOST_PATHS:
        return found
    kept = {
        id(each)
        for how in {each[0] for each in found}
        for each in _fewest([each for each in found if each[0] == how], lambda each: len(each[2]))
    }
    return [each for each in found if id(each) in kept]


def _paths(
    way: WayIn,
    by: dict[str, Any],
    conditions: Open,
    allowing: Sequence[OpenStatement],
    within: Sequence[Sequence[OpenStatement]],
) -> Iterator[Path]:
    """The paths through the way in that `by` opens, with the statements of other policies that must allow the request."""
    if way.identity_policy:
        for statement, more in allowing:
            yield from _limited(statement.by.document(), by, (*conditions, *more), within)
    elif way.limits:
        yield from _limited(by, None, conditions, within)
    else:
        yield Path(by, None, conditions)


def _limited(
    by: dict[str, Any], delegation: dict[str, Any] | None, conditions: Open, within: Sequence[Sequence[OpenStatement]]
) -> Iterator[Path]:
    """The paths within boundary and session policy, each of which must allow the request too."""
    for chosen in islice(product(*within), MOST_PATHS):
        yield Path(by, delegation, (*conditions, *(each for _, more in chosen for each in more)))


def _granted(caller: Caller, action: str, resource: Resource) -> Iterator[tuple[int, Grant, Open]]:
    for name, how in caller.names.items():
        for grant in resource.grants.get(name, ()):
            if action in grant.operations:
                yield how, grant, () if action in UNCONSTRAINED else constraints_of(grant)


def constraints_of(grant: Grant) -> Open:
    """The constraints of a grant as conditions."""
    found: list[dict[str, Any]] = []
    for name, wanted in grant.constraints.items():
        if name == SOURCE_ARN:
            found.append({"operator": "StringEquals", "key": "aws:SourceArn", "wanted": [wanted], "kind": "grant"})
        elif isinstance(wanted, str):
            continue
        elif not wanted and name == EQUALS:  # an encryption context without pairs
            found.append({"operator": "Null", "key": PAIRS, "wanted": ["true"], "kind": "grant"})
        else:
            found += [
                {"operator": name, "key": f"kms:EncryptionContext:{key}", "wanted": [value], "kind": "grant"}
                for key, value in wanted.items()
            ]
    return tuple(found)
