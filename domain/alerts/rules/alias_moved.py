"""An alias points to another key."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.log.events import AliasMoved


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is not None:
        summary = f"{change.who} moved {event.alias} from key {event.previous_key} to {event.key}"
        yield Finding(event.alias, summary, about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="alias-moved",
    title="Alias moved to another key",
    severity=MEDIUM,
    means="Everybody who encrypts with the alias now uses another key, which other principals may be able to read.",
    do="Ask `keytrail who-can kms:Decrypt alias/NAME`.",
    references=("T1565",),
    kind=OnChange(judge, on=(AliasMoved,)),
)
