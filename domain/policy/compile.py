"""A key policy compiled once per version: statements indexed by action, Deny first.

The resource of a key policy is the key that it belongs to, so Resource is settled here and costs nothing per call.
Conditions are not evaluated yet: until they are, a statement that has one never allows, and denies if its effect is
Deny. That errs on the side of refusing, whatever the condition says.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from functools import lru_cache

from domain.policy.glob import compile_glob
from domain.policy.parse import Principals, Statement, parse_key_policy


@dataclass(frozen=True, slots=True)
class Decider:
    """The statement that decided: `policy` is the key's ARN, `version` counts its replacements, `index` from 0."""

    policy: str
    version: int
    sid: str
    index: int

    def document(self) -> dict[str, str | int]:
        return {"policy": self.policy, "version": self.version, "sid": self.sid, "index": self.index}


PrincipalTest = Callable[[Set[str]], bool]
Row = tuple[PrincipalTest, Decider]


@dataclass(slots=True)
class CompiledPolicy:
    """The statements that can have an effect on the key, by effect; and, filled as actions are asked, by action."""

    denies: tuple[tuple[Callable[[str], bool], PrincipalTest, Decider], ...]
    allows: tuple[tuple[Callable[[str], bool], PrincipalTest, Decider], ...]
    by_action: dict[str, tuple[tuple[Row, ...], tuple[Row, ...]]] = field(default_factory=dict)

    def rows(self, action: str) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
        """(denying, allowing) statements that cover the action, in the document's order."""
        found = self.by_action.get(action)
        if found is None:
            folded = action.lower()
            found = self.by_action[action] = (
                tuple((who, by) for covers, who, by in self.denies if covers(folded)),
                tuple((who, by) for covers, who, by in self.allows if covers(folded)),
            )
        return found


@lru_cache(maxsize=4096)  # most keys have the default policy; its text differs by account alone
def _parsed(text: str) -> tuple[Statement, ...]:
    return parse_key_policy(text).statements


def compile_key_policy(text: str, key: str, version: int) -> CompiledPolicy:
    """`key` is the ARN of the key that the policy belongs to. Raises what parse_key_policy raises."""
    denies, allows = [], []
    for statement in _parsed(text):
        covers = _actions(statement)
        if covers is None or not _covers_resource(statement, key):
            continue
        row = (covers, _principals(statement), Decider(key, version, statement.sid, statement.index))
        if statement.effect == "Deny":
            denies.append(row)
        elif statement.condition is None:
            allows.append(row)
    return CompiledPolicy(tuple(denies), tuple(allows))


def _any_of(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    # Action names and their prefix are case-insensitive (rule 20): both sides are folded.
    matchers = tuple(compile_glob(pattern.lower()) for pattern in patterns)
    return lambda action: any(matches(action) for matches in matchers)


def _actions(statement: Statement) -> Callable[[str], bool] | None:
    if statement.action is not None:
        return _any_of(statement.action)
    if statement.not_action is not None:
        excluded = _any_of(statement.not_action)
        return lambda action: not excluded(action)
    return None  # without Action a statement has no effect (rule 9)


def _covers_resource(statement: Statement, key: str) -> bool:
    if statement.resource is not None:
        return any(compile_glob(pattern)(key) for pattern in statement.resource)
    if statement.not_resource is not None:
        return not any(compile_glob(pattern)(key) for pattern in statement.not_resource)
    return False  # without Resource a statement has no effect (rule 9)


def _principals(statement: Statement) -> PrincipalTest:
    if statement.principal is not None:
        return _named(statement.principal)
    assert statement.not_principal is not None, "the parser wants one of the two"
    named = _named(statement.not_principal)
    return lambda names: not named(names)


def _named(principals: Principals) -> PrincipalTest:
    if principals.anyone:
        return lambda names: True
    aws = principals.aws
    if len(aws) == 1:
        (only,) = aws
        return lambda names: only in names
    return lambda names: not aws.isdisjoint(names)
