"""A key policy newly leaves decrypting to the identity policies of the account."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.compared import DECRYPTING, is_own
from domain.alerts.finding import Finding
from domain.policy.compile import DELEGATED


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or policy.why or policy.public:
        return
    gained = policy.let_in(policy.callers(is_own(key.account)), policy.actions(DECRYPTING))
    left = [each for each in gained if each.upper == DELEGATED]
    if left:
        summary = (
            f"whoever identity policies of {key.account} allow may decrypt now: {', '.join(policy.actions_of(left))}"
        )
        yield Finding(
            key.arn, summary, about=(f"arn:aws:iam::{key.account}:root",), evidence=policy.shown(left), **on_key(key)
        )
