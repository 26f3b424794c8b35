"""A key policy that cannot be told apart from the one before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is not None and policy.why:
        summary = f"what the policy lets in is not known: {policy.why}"
        yield Finding(key.arn, summary, about=(change.caller,), **on_key(key))
