"""A key policy lets in those of whom nothing is known."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or not policy.public:
        return
    actions = policy.actions_of(policy.public)
    summary = f"the policy lets anyone in, of any account: {', '.join(actions)}"
    yield Finding(key.arn, summary, about=("*",), evidence=policy.shown(policy.public), **on_key(key))
