"""An alias points to another key than before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import LOW, MEDIUM
from domain.keys.states import State
from domain.log.events import AliasCreated, AliasMoved


def judge(change: Change) -> Iterator[Finding]:
    """Also where the alias was deleted in between: whoever encrypts with it does not see the difference. That is left out where
    the former key does not exist any more, since nobody could go on with it.

    Where the former key is to be deleted, this is mostly an ordinary replacement: `terraform destroy` deletes the alias, then
    the key, and `apply` makes both again. It is not left out, for somebody else may take the name meanwhile, with no more than
    CreateAlias and a key of his own: nothing else would tell of that. So it is told as low. An attacker who wants it told so
    has to schedule the deletion of the former key, which raises `deletion-scheduled`."""
    key, event, was = change.key, change.event, change.facts.former_key
    if key is None:
        return
    severity = ""
    if isinstance(event, AliasMoved):
        summary = f"{change.who} moved {event.alias} from key {event.previous_key} to {event.key}"
    elif was not in ("", event.key) and was in change.world.keys:
        summary = f"{change.who} made {event.alias} for key {event.key}; until it was deleted, it was for key {was}"
        if change.world.keys[was].state is State.PENDING_DELETION:
            summary, severity = f"{summary}, which is to be deleted", LOW
    else:
        return
    yield Finding(event.alias, summary, about=(change.who,), severity=severity, **on_key(key))


RULE = AlertRule(
    id="alias-moved",
    title="Alias moved to another key",
    severity=MEDIUM,
    means="Everybody who encrypts with the alias now uses another key, which other principals may be able to read. If the alias "
    "was deleted and made again while its former key waits for deletion, as Terraform replaces a key, the severity is low: it is "
    "still told, since somebody else may have taken the name.",
    do="Ask `keytrail who-can kms:Decrypt alias/NAME`.",
    references=("T1565",),
    kind=OnChange(judge, on=(AliasMoved, AliasCreated)),
)
