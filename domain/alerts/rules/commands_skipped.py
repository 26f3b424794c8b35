"""Commands were passed over unread."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.log.events import CommandsSkipped


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    if event.to_command <= event.from_command:  # a backup holds no commands
        summary = f"the log was restored without its commands, which are numbered from {event.to_command} on again"
    else:
        summary = f"commands {event.from_command} to {event.to_command - 1} were passed over by an operator's leave"
    yield Finding(str(event.to_command), summary, "")


RULE = AlertRule(
    id="commands-skipped",
    title="Commands passed over",
    severity=HIGH,
    means="Commands were lost before any writer read them. Their senders got no answer.",
    do="Find out why the commands topic lost records.",
    references=("T1565",),
    kind=OnChange(judge, on=(CommandsSkipped,)),
)
