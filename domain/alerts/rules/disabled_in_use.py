"""A key that is in use was disabled."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts import key_in_use
from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, days = change.key, key_in_use.ago(change, "disabled-in-use")
    if key is not None and days is not None:
        summary = f"{change.who} disabled the key, which was used {days} days ago"
        yield Finding(key.arn, summary, about=(change.who,), **on_key(key))
