"""Imported key material was destroyed or expired."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.log.events import MaterialDeleted, MaterialExpired


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is None:
        return
    ended = isinstance(event, MaterialExpired)
    summary = (
        f"material {event.material} expired" if ended else f"{change.who} deleted material {event.material}"
    ) + f"; the key is {event.state}"
    yield Finding(key.arn, summary, about=() if ended else (change.who,), **on_key(key))


RULE = AlertRule(
    id="material-deleted",
    title="Imported key material destroyed",
    severity=HIGH,
    means="Nothing can be decrypted until exactly the same material is imported again.",
    do="If it is needed, import it again.",
    references=("T1485",),
    kind=OnChange(judge, on=(MaterialDeleted, MaterialExpired)),
)
