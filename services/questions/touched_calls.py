"""Which callers' calls a drafted key policy can change. The proof is the set of requests that it answers differently from the
earlier policies.

A call by another caller, or of another operation, has the same answer either way. It is counted, but not decided again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.arn import parse_arn
from domain.keys.key import Key
from domain.keys.states import KEY_ACTIONS
from domain.policy_analysis.budget import Budget, OutOfSteps, spending
from domain.policy_analysis.callers import Someone
from domain.policy_analysis.compare import gains
from domain.policy_analysis.space import Side, Space
from domain.policy_analysis.words import TooMany
from projections.decisions.spans import Touched
from projections.history import queries as history
from projections.history.aggregates import aggregate_of
from projections.log.schema import AskedLog
from services.shares import QUESTIONS, breathe

MOST_VERSIONS = 40
MOST_STEPS = 20_000_000
"""Beyond either limit, every call is decided again."""


@dataclass(slots=True)
class _Differences:
    """The callers and operations of requests that are answered differently. `anyone`: also callers whom no policy names.

    `principals` are ARNs; `sessions` are the beginnings of the ARNs of a role's sessions."""

    operations: set[str] = field(default_factory=set)
    principals: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    anyone: bool = False

    def take(self, everyone: Iterable[Someone], actions: Iterable[str]) -> None:
        self.operations |= {_operation(action) for action in actions}
        for each in everyone:
            arn = parse_arn(each.arn)
            if arn is None or each.example:  # an example's ARN is nobody's
                self.anyone = True
            elif arn.resource.startswith("role/"):
                self.sessions.add(f"arn:aws:sts::{arn.account}:assumed-role/{each.arn.rpartition('/')[2]}/")
            else:
                self.principals.add(each.arn)

    def calls(self) -> Touched:
        if self.anyone:
            return Touched(sorted(self.operations), None)
        return Touched(sorted(self.operations), sorted(self.principals), sorted(self.sessions))


def _operation(action: str) -> str:
    name = action.removeprefix("kms:")
    return "ReEncrypt" if name.startswith("ReEncrypt") else name


async def touched_by(log: AskedLog, key: Key, draft: Side, first: int, last: int) -> Touched | None:
    """Which of the key's calls at these positions the draft can change; None beyond the limits."""
    rows = await history.policies_between(log, key.id, first, last, MOST_VERSIONS + 1)
    sides = []
    for row in rows:
        held = aggregate_of(row)
        assert isinstance(held, Key), "the row is a key's"
        sides.append(Side(held.policy_text, dict(held.principals), held.policy_version))
    if len(sides) > MOST_VERSIONS:
        return None
    return await QUESTIONS.run(key.account, _touched, key, draft, sides)


def _touched(key: Key, draft: Side, sides: list[Side]) -> Touched | None:
    found = _Differences()
    try:
        with spending(Budget(MOST_STEPS, breathe)):
            _take_differences(found, key, draft, sides)
    except (TooMany, OutOfSteps):
        return None
    return found.calls()


def _take_differences(found: _Differences, key: Key, draft: Side, sides: list[Side]) -> None:
    """Raises TooMany, OutOfSteps."""
    for side in sides:
        space = Space((side, draft), key.account, KEY_ACTIONS, key.arn)
        before, after = space.meanings
        for weak, strong in ((before, after), (after, before)):
            for region in gains(weak, strong, space, space.whole):
                for box in region.boxes:
                    everyone = (each for case in space.callers_in(box) for each in case)
                    found.take(everyone, space.actions_in(box))
