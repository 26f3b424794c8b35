"""Which alerts become which messages. A few alerts of one rule are sent at once; the others within the same time become one
message with a count, at the end of that time.

A message's id follows from its contents, so that a receiver recognises a repetition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

AT_ONCE = 5
"""Alerts of one rule that become messages of their own within the time."""
NAMED = 100
"""Alerts that a message names; its count covers all."""


@dataclass(frozen=True, slots=True)
class Message:
    """`message` is what happened (count, first and last time, the first alert whole, the names of the others). `lowest` is
    the first offset on the topic that it covers."""

    id: str
    message: dict[str, Any]
    lowest: int


@dataclass(slots=True)
class Storm:
    """The alerts of one rule that are held back. `last`: when the newest of them was raised. `lowest`: the first offset of
    them, -1 if no alert is held back."""

    until: datetime
    sent: int
    held: list[str]
    first: dict[str, Any] | None = None
    count: int = 0
    last: str = ""
    lowest: int = -1

    def hold(self, offset: int, alert: dict[str, Any]) -> None:
        self.count += 1
        if self.first is None:
            self.first, self.lowest = alert, offset
        if len(self.held) < NAMED:
            self.held.append(alert["id"])
        self.last = alert["at"]

    def message(self, to: str) -> Message:
        assert self.first is not None, "something was held"
        return _message(to, self.held, self.first, self.last, self.count, self.lowest)

    def document(self) -> dict[str, Any]:
        """As JSON; `storm_from` is the inverse."""
        return {
            "until": self.until.isoformat(),
            "sent": self.sent,
            "held": self.held,
            "first": self.first,
            "count": self.count,
            "last": self.last,
            "lowest": self.lowest,
        }


def storm_from(document: dict[str, Any]) -> Storm:
    """The inverse of `Storm.document`."""
    return Storm(**document | {"until": datetime.fromisoformat(document["until"])})


def gathered(
    to: str, storms: dict[str, Storm], alerts: Sequence[tuple[int, dict[str, Any]]], group_seconds: int, now: datetime
) -> list[Message]:
    """The messages to notifier `to`: for storms that are over, and for new alerts (each with its offset). `storms`, by rule,
    is updated. A storm whose end is further away than any that begins now is over too: the clock was set back since."""
    later = now + timedelta(seconds=group_seconds)
    messages: list[Message] = []
    for rule, storm in [each for each in storms.items() if not now < each[1].until <= later]:
        if storm.count:
            messages.append(storm.message(to))
            storms[rule] = Storm(later, AT_ONCE, [])
        else:
            del storms[rule]
    for offset, alert in alerts:
        storm = storms.setdefault(alert["rule"], Storm(later, 0, []))
        if storm.sent < AT_ONCE or not group_seconds:
            storm.sent += 1
            messages.append(_message(to, [alert["id"]], alert, alert["at"], 1, offset))
        else:
            storm.hold(offset, alert)
    return messages


def _message(to: str, ids: list[str], first: dict[str, Any], last: str, count: int, lowest: int) -> Message:
    told = {"count": count, "first_at": first["at"], "last_at": last, "alert": first, "alerts": ids}
    named = hashlib.sha256("\n".join((to, str(count), *ids)).encode()).hexdigest()[:32]
    return Message(named, told, lowest)
