"""Compiles a policy once: its statements are indexed by action, the denying ones apart from the allowing ones.

The index gets an entry when an action is first asked about. So an evaluation visits only the statements that cover its
action. The resource of a key policy is the key that the policy belongs to. So Resource is settled here and costs a call
nothing, except where it has policy variables. A condition that this program cannot read lets nobody in: a statement
with it never allows, and a Deny with it always denies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from domain.policy.conditions import BadValue, Holds, Test, UnknownOperator, compile_condition
from domain.policy.glob import Matcher, compile_arn, compile_glob
from domain.policy.parse import KEY, TRUST, Policy, PolicyKind, Principals, Statement, parse_policy
from domain.policy.variables import Context, Variable, any_arn, template

DIRECT, ROLE, DELEGATED = 3, 2, 1
"""How a Principal element can mean a caller: by the caller's own name, its role's name, or its account's."""

BOUNDED = "has a permissions boundary"
"""A name of every caller with a permissions boundary. Its level is 0, which means nobody: no policy can list this name."""

CallerNames = Mapping[str, int]
"""Every name that a caller answers to, and how that name means the caller (DIRECT, ROLE, DELEGATED; 0 for BOUNDED)."""
Who = Callable[[CallerNames], int]
Covers = Callable[[str, Context], bool]


@dataclass(frozen=True, slots=True)
class StatementSource:
    """The statement that decided. `policy` is the ARN of the key or of the managed policy, or the identity's ARN with
    the inline policy's name. `version` counts the replacements of a key policy. For a managed policy it is the
    version's id, for an inline policy the position at which it was put. `index` counts from 0; `via` is the group that
    the policy comes from."""

    kind: str
    policy: str
    version: int | str
    sid: str
    index: int
    via: str = ""
    _document: dict[str, str | int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made once for every statement, and shared by every decision that the statement makes.
        made = {"kind": self.kind, "policy": self.policy, "version": self.version, "sid": self.sid, "index": self.index}
        object.__setattr__(self, "_document", made | ({"via": self.via} if self.via else {}))

    def document(self) -> dict[str, str | int]:
        """The form for the record. Callers share it and must not change it."""
        return self._document


KEY_POLICY = "key-policy"
IDENTITY_POLICY = "identity-policy"
BOUNDARY = "boundary"
SESSION_POLICY = "session-policy"
TRUST_POLICY = "trust-policy"


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """A compiled statement. `who` None: it means every caller. `covers` None: it covers every resource. `tests` None:
    its condition cannot be read. `holds` None: it has no condition."""

    by: StatementSource
    statement: Statement
    acts: Callable[[str], bool] | None
    who: Who | None
    covers: Covers | None
    tests: tuple[Test, ...] | None
    holds: Holds | None
    variables: tuple[str, ...] = ()
    """The condition keys, in lower case, that its Resource reads as policy variables."""
    elsewhere: bool = False
    """True for a key policy's statement whose Resource is not the policy's key: the statement has no effect."""

    @property
    def denies(self) -> bool:
        return self.statement.effect == "Deny"


PrincipalEntry = tuple[Who | None, Holds | None, StatementSource]
"""What evaluation reads of a statement in a resource's policy: Principal, Condition, and its place in the policy."""
ResourceEntry = tuple[Covers | None, Holds | None, StatementSource]
"""What evaluation reads of a statement in an identity's policy: Resource, Condition, and its place in the policy."""


@dataclass(frozen=True, slots=True)
class OfResourcePolicy:
    """The statements of a resource's policy that cover one action, in the document's order."""

    denies: tuple[PrincipalEntry, ...]
    allows: tuple[PrincipalEntry, ...]


@dataclass(frozen=True, slots=True)
class OfPermissions:
    """The statements of an identity's policies that cover one action, in the documents' order."""

    denies: tuple[ResourceEntry, ...]
    allows: tuple[ResourceEntry, ...]


@dataclass(slots=True, eq=False)
class CompiledPolicy:
    """A resource's policy. `covering` keeps its results in `by_action`."""

    statements: tuple[CompiledStatement, ...]
    by_action: dict[str, OfResourcePolicy] = field(default_factory=dict)

    def covering(self, action: str) -> OfResourcePolicy:
        """The statements that cover the action and can have an effect."""
        found = self.by_action.get(action)
        if found is None:
            denying, allowing = _covering(self.statements, action)
            found = self.by_action[action] = OfResourcePolicy(
                tuple((each.who, each.holds, each.by) for each in denying),
                tuple((each.who, each.holds, each.by) for each in allowing),
            )
        return found


@dataclass(slots=True, eq=False)
class Permissions:
    """What all policies of an identity say together; or its boundary, or its session's policies."""

    statements: tuple[CompiledStatement, ...]
    by_action: dict[str, OfPermissions] = field(default_factory=dict)

    def covering(self, action: str) -> OfPermissions:
        """The statements that cover the action and can have an effect."""
        found = self.by_action.get(action)
        if found is None:
            denying, allowing = _covering(self.statements, action)
            found = self.by_action[action] = OfPermissions(
                tuple((each.covers, each.holds, each.by) for each in denying),
                tuple((each.covers, each.holds, each.by) for each in allowing),
            )
        return found


NO_PERMISSIONS = Permissions(())


def _covering(
    statements: Iterable[CompiledStatement], action: str
) -> tuple[list[CompiledStatement], list[CompiledStatement]]:
    """(denying, allowing)"""
    folded = action.lower()
    covering = [each for each in statements if not each.elsewhere and each.acts is not None and each.acts(folded)]
    denying = [each for each in covering if each.denies]
    return denying, [each for each in covering if not each.denies and each.tests is not None]


@lru_cache(maxsize=4096)  # most keys have the default policy; its text differs only by account
def _parsed(text: str, kind: PolicyKind) -> Policy:
    return parse_policy(text, kind)


def compile_key_policy(text: str, key: str, version: int, ids: Mapping[str, str] | None = None) -> CompiledPolicy:
    """`key` is the ARN of the key that the policy belongs to. `ids` are the unique ids that the ARNs of its principals
    meant when it was put. Raises what parse_policy raises."""
    policy = _parsed(text, KEY)
    rules = key_policy_statements(policy, key, version, ids or {})
    return CompiledPolicy(
        tuple(
            _on_key(rule, key, has_variables(statement, policy.version))
            for rule, statement in zip(rules, policy.statements, strict=True)
        )
    )


def key_policy_statements(
    policy: Policy, key: str, version: int, ids: Mapping[str, str]
) -> tuple[CompiledStatement, ...]:
    """The statements of a key policy before their Resource is settled for a key."""
    return tuple(
        _rule(
            statement,
            StatementSource(KEY_POLICY, key, version, statement.sid, statement.index),
            policy.version,
            ids,
            KEY,
        )
        for statement in policy.statements
    )


def compile_trust_policy(text: str, role: str, version: int, ids: Mapping[str, str]) -> CompiledPolicy:
    """A role's trust policy: its resource is the role."""
    policy = _parsed(text, TRUST)
    return CompiledPolicy(
        tuple(
            _rule(
                statement,
                StatementSource(TRUST_POLICY, role, version, statement.sid, statement.index),
                policy.version,
                ids,
                TRUST,
            )
            for statement in policy.statements
        )
    )


def compile_identity_policy(
    text: str, by: str, name: str, version: int | str, kind: PolicyKind, via: str = ""
) -> tuple[CompiledStatement, ...]:
    """`by` is the kind of policy (identity policy, boundary, session policy), `name` the name that decisions give it."""
    return identity_policy_statements(_parsed(text, kind), by, name, version, kind, via)


def identity_policy_statements(
    policy: Policy, by: str, name: str, version: int | str, kind: PolicyKind, via: str = ""
) -> tuple[CompiledStatement, ...]:
    """The same for a policy that is already parsed and is asked only once: its text is not kept."""
    return tuple(
        _rule(
            statement, StatementSource(by, name, version, statement.sid, statement.index, via), policy.version, {}, kind
        )
        for statement in policy.statements
    )


def has_variables(statement: Statement, version: str) -> bool:
    return any(_variables(statement, version))


def _variables(statement: Statement, version: str) -> Iterator[Variable]:
    """The policy variables in Resource or NotResource."""
    for pattern in (*(statement.resource or ()), *(statement.not_resource or ())):
        yield from (part for part in template(pattern, version) if isinstance(part, Variable))


def _on_key(rule: CompiledStatement, key: str, open_resource: bool) -> CompiledStatement:
    """The rule with its Resource settled for this key. A Resource with policy variables is settled with each request instead."""
    covers, holds = rule.covers, rule.holds
    if covers is None:
        return rule
    if not open_resource:
        return rule if covers(key, {}) else replace(rule, elsewhere=True)
    if holds is None:
        return replace(rule, holds=lambda context: covers(key, context))
    return replace(rule, holds=lambda context: covers(key, context) and holds(context))


def _rule(
    statement: Statement, by: StatementSource, version: str, ids: Mapping[str, str], kind: PolicyKind
) -> CompiledStatement:
    try:
        tests: tuple[Test, ...] | None = compile_condition(statement.condition or {}, version)
    except (UnknownOperator, BadValue):
        tests = None
    return CompiledStatement(
        by=by,
        statement=statement,
        acts=_actions(statement),
        who=_who(statement, ids),
        covers=_resources(statement, version) if kind.resource else None,
        tests=tests,
        holds=_all(tests) if tests else None,
        variables=tuple({each.key: None for each in _variables(statement, version) if not each.many}),
    )


def _all(tests: Sequence[Test]) -> Holds:
    if len(tests) == 1:
        return tests[0].holds
    if len(tests) == 2:
        first, second = tests[0].holds, tests[1].holds
        return lambda context: first(context) and second(context)
    holds = tuple(test.holds for test in tests)
    return lambda context: all(each(context) for each in holds)


@lru_cache(maxsize=4096)
def _any_of(patterns: tuple[str, ...]) -> Matcher:
    # The case of an action's name and prefix does not matter (#action-names-have-no-case): both sides are folded.
    matchers = tuple(compile_glob(pattern.lower()) for pattern in patterns)
    if len(matchers) == 1:
        return matchers[0]
    return lambda action: any(matches(action) for matches in matchers)


def _actions(statement: Statement) -> Matcher | None:
    if statement.action is not None:
        return _any_of(statement.action)
    if statement.not_action is not None:
        excluded = _any_of(statement.not_action)
        return lambda action: not excluded(action)
    return None  # without Action a statement has no effect (#statement-without-action-or-resource)


def _never(resource: str, context: Context) -> bool:
    return False


def _resources(statement: Statement, version: str) -> Covers | None:
    if statement.resource is not None:
        return None if "*" in statement.resource else _any_resource(statement.resource, version)
    if statement.not_resource is not None:
        excluded = _any_resource(statement.not_resource, version)
        return lambda resource, context: not excluded(resource, context)
    return _never  # without Resource a statement has no effect (#statement-without-action-or-resource)


def _any_resource(patterns: Sequence[str], version: str) -> Covers:
    return any_arn(patterns, version, compile_resource)


def compile_resource(parts: Sequence[tuple[str, bool]]) -> Matcher:
    if len(parts) == 1 and parts[0][1]:
        text = parts[0][0]
        if text == "*":
            return lambda resource: True
        if "*" not in text and "?" not in text:
            return text.__eq__
    return compile_arn(parts)


def _who(statement: Statement, ids: Mapping[str, str]) -> Who | None:
    if statement.principal is not None:
        return _named(statement.principal, ids)
    if statement.not_principal is None:
        return None
    return _not_named(statement.not_principal, ids, statement.effect)


def _meant(principals: Principals, ids: Mapping[str, str]) -> frozenset[str]:
    return frozenset(ids.get(name, name) for name in principals.names)


def _named(principals: Principals, ids: Mapping[str, str]) -> Who | None:
    if principals.anyone:
        return None
    meant = _meant(principals, ids)
    if len(meant) == 1:
        (only,) = meant
        return lambda names: names.get(only, 0)

    def closest(names: CallerNames) -> int:
        if meant.isdisjoint(names):
            return 0
        return max(how for name, how in names.items() if name in meant)

    return closest


def _listed(names: CallerNames, meant: frozenset[str]) -> set[int]:
    return {how for name, how in names.items() if name in meant}


def _not_named(principals: Principals, ids: Mapping[str, str], effect: str) -> Who:
    """Source: IAM user guide, reference_policies_elements_notprincipal. A Deny spares only a caller whose every name is
    listed, the names of its account and role included. A caller with a permissions boundary it "will always deny,
    regardless of the values": that follows from BOUNDED, a name that no policy lists."""
    meant = _meant(principals, ids)
    if principals.anyone:
        return lambda names: 0
    if effect == "Deny":
        return lambda names: 0 if _listed(names, meant) == set(names.values()) else DIRECT
    return lambda names: 0 if _listed(names, meant) else DIRECT
