"""Which alerts become which messages. A few alerts of one rule, account and severity are sent at once; the others within the
same time become one message with a line for each, at the end of that time. Were they grouped by the rule alone, anybody could
raise a few of little weight in an account of their own, and so hold back another account's.

A message's id follows from its contents, so that a receiver recognises a repetition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

AT_ONCE = 5
"""Alerts of one group that become messages of their own within the time."""
NAMED = 100
"""Alerts that a message names; its count covers all."""
TOLD = ("id", "at", "account", "key_id", "summary")
"""What a message says of each alert that it names after the first."""
MOST_SUMMARY = 300
"""Characters of the summary of such an alert."""
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Message:
    """`message` is what happened (count, first and last time, the first alert whole, a line for each of the others, and the ids
    of all). `lowest` is the first offset on the topic that it covers."""

    id: str
    message: dict[str, Any]
    lowest: int


@dataclass(slots=True)
class Storm:
    """The alerts of one group that are held back. `held`: their ids; `others`: the lines of those after the first. `last`: when
    the newest of them was raised. `lowest`: the first offset of them, -1 if no alert is held back."""

    until: datetime
    sent: int
    held: list[str]
    first: dict[str, Any] | None = None
    count: int = 0
    last: str = ""
    lowest: int = -1
    others: list[dict[str, Any]] = field(default_factory=list)

    def hold(self, offset: int, alert: dict[str, Any]) -> None:
        self.count += 1
        if self.first is None:
            self.first, self.lowest = alert, offset
        elif len(self.held) < NAMED:
            self.others.append({name: alert.get(name) for name in TOLD} | {"summary": alert["summary"][:MOST_SUMMARY]})
        if len(self.held) < NAMED:
            self.held.append(alert["id"])
        self.last = alert["at"]

    def message(self, to: str) -> Message:
        assert self.first is not None, "something was held"
        return _message(to, self.held, self.first, self.last, self.count, self.lowest, self.others)

    def document(self) -> dict[str, Any]:
        """As JSON; `storm_from` is the inverse. The lines are inside of the first alert: version 0.1.0, which may take over from
        this one, reads no further member beside the others, and sends the first alert as it is."""
        first = self.first if self.first is None or not self.others else self.first | {OTHERS: self.others}
        return {
            "until": self.until.isoformat(),
            "sent": self.sent,
            "held": self.held,
            "first": first,
            "count": self.count,
            "last": self.last,
            "lowest": self.lowest,
        }


def storm_from(document: dict[str, Any]) -> Storm:
    """The inverse of `Storm.document`."""
    first = document["first"]
    others = [] if first is None else first.get(OTHERS, [])
    alone = None if first is None else {name: each for name, each in first.items() if name != OTHERS}
    until = datetime.fromisoformat(document["until"])
    return Storm(**document | {"until": until, "first": alone, "others": others})


def group_of(alert: dict[str, Any]) -> str:
    return " ".join((alert["rule"], alert["account"], alert["severity"]))


def gathered(
    to: str, storms: dict[str, Storm], alerts: Sequence[tuple[int, dict[str, Any]]], group_seconds: int, now: datetime
) -> list[Message]:
    """The messages to notifier `to`: for storms that are over, and for new alerts (each with its offset). `storms`, by group,
    is updated. A storm whose end is further away than any that begins now is over too: the clock was set back since."""
    later = now + timedelta(seconds=group_seconds)
    messages: list[Message] = []
    for group, storm in [each for each in storms.items() if not now < each[1].until <= later]:
        if storm.count:
            messages.append(storm.message(to))
            storms[group] = Storm(later, AT_ONCE, [])
        else:
            del storms[group]
    for offset, alert in alerts:
        storm = storms.setdefault(group_of(alert), Storm(later, 0, []))
        if storm.sent < AT_ONCE or not group_seconds:
            storm.sent += 1
            messages.append(_message(to, [alert["id"]], alert, alert["at"], 1, offset))
        else:
            storm.hold(offset, alert)
    return messages


def _message(
    to: str,
    ids: list[str],
    first: dict[str, Any],
    last: str,
    count: int,
    lowest: int,
    others: Sequence[dict[str, Any]] = (),
) -> Message:
    told = {"count": count, "first_at": first["at"], "last_at": last, "alert": first, "alerts": ids}
    told |= {OTHERS: list(others)} if others else {}
    named = hashlib.sha256("\n".join((to, str(count), *ids)).encode()).hexdigest()[:32]
    return Message(named, told, lowest)
