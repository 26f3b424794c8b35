"""Who of other accounts may assume a role, and under which conditions: what a trust policy admits that another does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.arn import account_in, root_arn
from domain.policy.compile import CompiledStatement, compile_trust_policy
from domain.policy.parse import TRUST, parse_policy
from domain.policy_analysis.budget import Budget, OutOfSteps, spending
from domain.policy_analysis.possible import Condition, implied, meetable, name_of, parts_of

ASSUME = "sts:assumerole"
EVERYONE = "*"
MOST_STEPS = 200_000
"""Ordinary trust policies take some hundred steps. Nothing is put off here, so other accounts wait for the rest."""

TrustConditions = tuple[Condition, ...]
Follows = Callable[[Condition, TrustConditions], bool]


@dataclass(frozen=True, slots=True)
class WayToAssume:
    """The conditions of a statement that allows it, all of which must be met; and those of each Deny, not all of which may."""

    asks: TrustConditions
    denies: tuple[TrustConditions, ...]

    @property
    def keys(self) -> list[str]:
        return sorted({each["key"] for conditions in (self.asks, *self.denies) for each in conditions})

    def covers(self, other: WayToAssume, follows: Follows) -> bool:
        """Whether every request that the other way lets in comes in by this way too."""
        return all(follows(each, other.asks) for each in self.asks) and all(
            any(all(follows(each, denied) for each in theirs) for theirs in other.denies)
            or (follows is implied and not meetable((*other.asks, *denied)))
            for denied in self.denies
        )

    def is_covered(self, held: Sequence[WayToAssume], follows: Follows) -> bool:
        """Whether every request that this way lets in comes in by one of the others: perhaps by another one for each value that
        a condition wants, as when two statements became one."""
        if any(each.covers(self, follows) for each in held):
            return True
        parts = [replace(self, asks=part) for part in parts_of(self.asks)]
        return len(parts) > 1 and all(any(each.covers(part, follows) for each in held) for part in parts)


def newly_admitted(before: str, after: str, account: str, role: str) -> dict[str, list[str]]:
    """The principals of other accounts (EVERYONE for all that no policy names) to whom the text `after` opens the role
    further than `before` did, with the keys of the conditions that are left. `before` is "" for a new role."""
    try:
        with spending(Budget(MOST_STEPS)):
            return _newly_admitted(before, after, account, role, implied)
    except OutOfSteps:
        return _newly_admitted(before, after, account, role, _is_among)


def _newly_admitted(before: str, after: str, account: str, role: str, follows: Follows) -> dict[str, list[str]]:
    was = compile_trust_policy(before, role, 1, {}).statements if before else ()
    now = compile_trust_policy(after, role, 2, {}).statements
    known = {EVERYONE: _stranger(before + after)} | {
        name: name for text in (before, after) if text for name in _named(text) if account_in(name) not in ("", account)
    }
    everyones: list[WayToAssume] = []
    found = {}
    for shown, name in known.items():
        held = [*_ways(was, name), *everyones]
        wider = [each for each in _ways(now, name) if not each.is_covered(held, follows)]
        if wider:
            found[shown] = min(wider, key=lambda each: len(each.keys)).keys
        if shown == EVERYONE:
            everyones = wider  # what all may do now is told once
    return found


def _named(text: str) -> list[str]:
    policy = parse_policy(text, TRUST)
    return sorted({name for each in policy.statements if each.principal is not None for name in each.principal.names})


def _stranger(texts: str) -> str:
    """A user of an account that the texts do not name: a Deny for one account shuts nobody else out."""
    account = next(each for number in range(10**12 - 1, 0, -1) if (each := f"{number:012}") not in texts)
    return f"arn:aws:iam::{account}:user/stranger"


def _ways(rules: tuple[CompiledStatement, ...], name: str) -> Iterator[WayToAssume]:
    means = {name: 1, root_arn(account_in(name)): 1}
    speaking = [rule for rule in rules if _speaks(rule, means)]
    denies = [_conditions(rule) for rule in speaking if rule.denies]
    if all(denies):
        yield from (WayToAssume(_conditions(rule), tuple(denies)) for rule in speaking if not rule.denies)


def _speaks(rule: CompiledStatement, means: Mapping[str, int]) -> bool:
    return rule.acts is not None and rule.acts(ASSUME) and (rule.who is None or bool(rule.who(means)))


def _conditions(rule: CompiledStatement) -> TrustConditions:
    return tuple({"operator": test.operator, "key": test.key, "wanted": list(test.wanted)} for test in rule.tests or ())


def _is_among(condition: Condition, by: TrustConditions) -> bool:
    return name_of(condition) in map(name_of, by)
