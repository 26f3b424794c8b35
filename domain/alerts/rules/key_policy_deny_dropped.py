"""A key policy denies less than the one before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    dropped = policy.no_more_denied()
    if dropped:
        who = policy.callers_of(dropped)
        summary = f"no longer denied to {', '.join(who)}: {', '.join(policy.actions_of(dropped))}"
        yield Finding(key.arn, summary, about=tuple(who), evidence=policy.shown(dropped), **on_key(key))
