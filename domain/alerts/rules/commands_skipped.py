"""Commands were passed over unread."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    summary = f"commands {event.from_command} to {event.to_command - 1} were passed over by an operator's leave"
    yield Finding(str(event.to_command), summary, "")
