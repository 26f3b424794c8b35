"""An alias points to another key than before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.log.events import AliasCreated, AliasMoved


def judge(change: Change) -> Iterator[Finding]:
    """Also where the alias was deleted in between: whoever encrypts with it does not see the difference. That is left out where
    the former key does not exist any more, since nobody could go on with it."""
    key, event, was = change.key, change.event, change.facts.former_key
    if key is None:
        return
    if isinstance(event, AliasMoved):
        summary = f"{change.who} moved {event.alias} from key {event.previous_key} to {event.key}"
    elif was not in ("", event.key) and was in change.world.keys:
        summary = f"{change.who} made {event.alias} for key {event.key}; until it was deleted, it was for key {was}"
    else:
        return
    yield Finding(event.alias, summary, about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="alias-moved",
    title="Alias moved to another key",
    severity=MEDIUM,
    means="Everybody who encrypts with the alias now uses another key, which other principals may be able to read.",
    do="Ask `keytrail who-can kms:Decrypt alias/NAME`.",
    references=("T1565",),
    kind=OnChange(judge, on=(AliasMoved, AliasCreated)),
)
