"""A key is not rotated any more."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key = change.key
    if key is not None and key.schedule is not None:
        yield Finding(key.arn, f"{change.who} switched rotation off", about=(change.who,), **on_key(key))
