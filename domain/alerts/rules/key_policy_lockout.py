"""A key policy was put past the check that keeps its author from locking everyone out."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is None or not event.bypassed_lockout_check:
        return
    summary = f"{change.who} bypassed the lock-out check" + (
        " and may not replace the policy under it" if event.locked_out else ""
    )
    yield Finding(key.arn, summary, about=(change.who,), **on_key(key))
