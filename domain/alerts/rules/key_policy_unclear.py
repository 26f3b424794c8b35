"""A key policy that cannot be told apart from the one before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is not None and policy.why:
        summary = f"what the policy lets in is not known: {policy.why}"
        yield Finding(key.arn, summary, about=(change.who,), **on_key(key))


def not_yet(change: Change, severity: str) -> Iterator[Finding]:
    """The budget ended before the policy was judged; `severity` is that of the worst rule that is left."""
    key = change.key
    if key is not None:
        summary = "what the policy lets in is not known yet: it takes more steps than are taken while others wait"
        yield Finding(key.arn, summary, about=(change.who,), severity=severity, **on_key(key))
