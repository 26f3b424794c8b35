"""The calls of the last minutes. With them a client's retry gets the answer of its first try, and a copied command gets
no second answer.

Invariant: `answers`, `ids` and `codes` are in the order of time. Calls older than the window at the last record are removed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from domain.durations import MINUTE_MICROS
from domain.errors import CommandExpired, CommandUnreadable
from domain.log.record import Decision, Record

REPEAT_WINDOW = 10 * MINUTE_MICROS
"""How long a client's retry is recognised."""


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The answer to a call: the place of its record, its time, the resource that it made or changed, and the effect."""

    position: int
    at: int
    resource: str
    effect: str


@dataclass(frozen=True, slots=True)
class RedeemedCode:
    """A one-time code that opened the console: when, and in which account."""

    at: int
    account: str


@dataclass(slots=True)
class RecentCalls:
    ids: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """Times, by the call's id."""
    answers: OrderedDict[str, FirstAnswer] = field(default_factory=OrderedDict)
    """By the value that a client's retries of one call share (`Call.invocation`)."""
    codes: OrderedDict[str, RedeemedCode] = field(default_factory=OrderedDict)
    """By the code's id."""

    def redeem(self, code: str, account: str, now: int) -> None:
        self.codes[code] = RedeemedCode(now, account)
        while next(iter(self.codes.values())).at < now - REPEAT_WINDOW:
            self.codes.popitem(last=False)

    def remember(self, position: int, record: Record, now: int) -> None:
        call, decision = record.call, record.decision
        assert call is not None, "the record is that of a call"
        self.ids[call.id] = record.at
        if call.invocation and record.repeats is None and decision is not None and is_final(decision):
            resource = decision.resources[0] if decision.resources else ""
            self.answers[call.invocation] = FirstAnswer(position, record.at, resource, decision.effect)
            self.answers.move_to_end(call.invocation)
        horizon = now - REPEAT_WINDOW
        while self.ids and next(iter(self.ids.values())) < horizon:
            self.ids.popitem(last=False)
        while self.answers and next(iter(self.answers.values())).at < horizon:
            self.answers.popitem(last=False)


def is_final(decision: Decision) -> bool:
    """Whether a retry gets this answer again. A command that came too late or could not be read may be tried again."""
    return decision.error is None or decision.error["kind"] not in (CommandExpired.kind, CommandUnreadable.kind)
