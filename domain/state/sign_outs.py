"""Console sessions that their users ended before their time.

A session is forgotten again once its token cannot be good any more by anybody's clock, so this holds a day's sign-outs at most.

Invariants: `ended` is in the order of time; `of_owner` counts it by owner, and has no zeros (tests/domain/test_world_indexes.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile

from domain.identities.directory import CUT_OFF_WINDOW


@dataclass(frozen=True, slots=True)
class SignedOutSession:
    """When a session was ended, and whose it was."""

    at: int
    owner: str


@dataclass(slots=True)
class SignOuts:
    ended: dict[str, SignedOutSession] = field(default_factory=dict)
    """By the session's access key."""
    of_owner: dict[str, int] = field(default_factory=dict)

    def __contains__(self, access_key: str) -> bool:
        return access_key in self.ended

    def has_ended(self, access_key: str, switched_from: str) -> bool:
        """Whether a console session is over, or a role's session with the console session that switched to it ("" for none)."""
        return access_key in self or switched_from in self

    def end(self, access_key: str, owner: str, now: int) -> None:
        """Ends a session for good. Whoever ends it twice has ended it once."""
        if access_key not in self.ended:
            self.ended[access_key] = SignedOutSession(now, owner)
            self.of_owner[owner] = self.of_owner.get(owner, 0) + 1
        while self.ended and next(iter(self.ended.values())).at < now - CUT_OFF_WINDOW:
            self._forget(next(iter(self.ended)))

    def remembered(self, owner: str, now: int) -> int:
        """How many sessions of an owner the next end would still know. Only an end forgets, and perhaps none came since."""
        stale = takewhile(lambda each: each.at < now - CUT_OFF_WINDOW, self.ended.values())
        return self.of_owner.get(owner, 0) - sum(each.owner == owner for each in stale)

    def _forget(self, access_key: str) -> None:
        owner = self.ended.pop(access_key).owner
        self.of_owner[owner] -= 1
        if not self.of_owner[owner]:
            del self.of_owner[owner]
