"""A key policy that cannot be compared with the one before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is not None and policy.why:
        summary = f"what the policy lets in is not known: {policy.why}"
        yield Finding(key.arn, summary, about=(change.who,), **on_key(key))


def not_yet(change: Change, severity: str) -> Iterator[Finding]:
    """For a budget that ended before the policy was judged. `severity` is that of the worst rule that was not asked."""
    key = change.key
    if key is not None:
        summary = "what the policy lets in is not known yet: it takes more steps than are taken while others wait"
        yield Finding(key.arn, summary, about=(change.who,), severity=severity, **on_key(key))


RULE = AlertRule(
    id="key-policy-unclear",
    title="Key policy that cannot be judged",
    severity=HIGH,
    means=(
        "The policy's patterns make more cases than are examined, so it is not known what the policy lets in. "
        "This is not an all-clear."
    ),
    do="Simplify the policy, or read it by hand.",
    references=(),
    kind=OnChange(judge, on=POLICY_SET, costly=True),
)
