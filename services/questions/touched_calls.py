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
from projections.history.arn_holders import held_arns, sessions_of
from projections.log.schema import AskedLog
from services.shares import QUESTIONS, breathe

MOST_VERSIONS = 40
MOST_STEPS = 20_000_000
"""Beyond either limit, every call is decided again."""


@dataclass(slots=True)
class _Differences:
    """The callers and operations of requests that are answered differently. `anyone`: also callers whom no policy names.

    `principals` are ARNs; `sessions` are the beginnings of the ARNs of a role's sessions. `uniques`: the unique ids that ARNs
    meant when a policy was put. `usernames`: what policies compare aws:username with, which leaves out a user's path."""

    usernames: frozenset[str] = frozenset()
    uniques: set[str] = field(default_factory=set)
    operations: set[str] = field(default_factory=set)
    principals: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    anyone: bool = False

    def take(self, everyone: Iterable[Someone], actions: Iterable[str]) -> None:
        self.operations |= {_operation(action) for action in actions}
        for each in everyone:
            arn, named = parse_arn(each.arn), each.arn.rpartition("/")[2]
            if each.unique:
                self.uniques.add(each.unique)
            # An example's ARN is nobody's, and a name alone is that of users of every path.
            if arn is None or each.example or (arn.resource.startswith("user/") and named in self.usernames):
                self.anyone = True
            else:
                self.add(each.arn)

    def add(self, arn: str) -> None:
        """A principal; for a role, its sessions call."""
        if sessions := sessions_of(arn):
            self.sessions.add(sessions)
        else:
            self.principals.add(arn)

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
    found = await QUESTIONS.run(key.account, _differences, key, draft, sides)
    if found is None:
        return None
    # A user who was renamed calls under another ARN than the policy has, and is still meant.
    for each in await held_arns(log, found.uniques):
        found.add(each.arn)
    return found.calls()


def _differences(key: Key, draft: Side, sides: list[Side]) -> _Differences | None:
    found = _Differences()
    try:
        with spending(Budget(MOST_STEPS, breathe)):
            _take_differences(found, key, draft, sides)
    except (TooMany, OutOfSteps):
        return None
    return found


def _take_differences(found: _Differences, key: Key, draft: Side, sides: list[Side]) -> None:
    """Raises TooMany, OutOfSteps."""
    for side in sides:
        space = Space((side, draft), key.account, KEY_ACTIONS, key.arn)
        found.usernames = space.usernames
        before, after = space.meanings
        for weak, strong in ((before, after), (after, before)):
            for region in gains(weak, strong, space, space.whole):
                for box in region.boxes:
                    everyone = (each for case in space.callers_in(box) for each in case)
                    found.take(everyone, space.actions_in(box))
