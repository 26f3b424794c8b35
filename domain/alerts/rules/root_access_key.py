"""An access key for an account's root."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change
from domain.alerts.finding import Finding
from domain.arn import root_arn


def judge(change: Change) -> Iterator[Finding]:
    event = change.event
    root = root_arn(event.account)
    yield Finding(root, f"access key {event.access_key} made for {root}", event.account, about=(root,))
