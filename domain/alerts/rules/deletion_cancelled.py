"""A key that was to be deleted stays."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key = change.key
    if key is not None:
        yield Finding(key.arn, f"{change.who} cancelled the deletion", about=(change.who,), **on_key(key))
