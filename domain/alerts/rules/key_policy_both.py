"""A key policy lets one principal both administer and use the key."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.compared import MANAGING, USING
from domain.alerts.finding import Finding


def judge(change: Change) -> Iterator[Finding]:
    """Of those whom the policy names: root can do both on most keys, and is not what duties are separated between."""
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    people = policy.callers(lambda each: bool(each.arn) and each.kind != "root")
    was = policy.could(policy.before, MANAGING) & policy.could(policy.before, USING)
    now = policy.could(policy.after, MANAGING) & policy.could(policy.after, USING)
    who = policy.named(now & ~was & people)
    if who:
        summary = f"{', '.join(who)} may both replace the policy and use the key"
        yield Finding(key.arn, summary, about=tuple(who), evidence={"principals": who}, **on_key(key))
