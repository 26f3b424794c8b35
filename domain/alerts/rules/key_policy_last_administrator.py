"""A key policy leaves only one principal, or nobody, who can replace it."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.compared import MANAGING, Compared
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import CRITICAL, HIGH
from domain.policy_analysis.space import Meaning


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    now = managers(policy, policy.after)
    if now is None or len(now) > 1:
        return
    was = managers(policy, policy.before)
    if was is not None and len(was) <= len(now):
        return
    summary = f"{now[0]} alone may replace the policy" if now else "nobody may replace the policy any more"
    severity = "" if now else CRITICAL
    yield Finding(key.arn, summary, about=tuple(now), severity=severity, **on_key(key))


def managers(policy: Compared, meaning: Meaning) -> list[str] | None:
    """The principals that may replace the policy; None if they cannot be listed (root, unnamed principals of an
    account, or those of a pattern)."""
    if policy.root_can(meaning, MANAGING):
        return None
    people = list(policy.people(policy.could(meaning, MANAGING)))
    return None if any(not each.arn or each.example for each in people) else sorted({each.arn for each in people})


RULE = AlertRule(
    id="key-policy-last-administrator",
    title="One principal alone, or nobody, can manage the key",
    severity=HIGH,
    means="At most one principal can manage the key. Without it, nobody can ever manage the key again.",
    do="Name a second administrator, or the account's root.",
    references=("T1531",),
    kind=OnChange(judge, on=POLICY_SET, costly=True),
)
