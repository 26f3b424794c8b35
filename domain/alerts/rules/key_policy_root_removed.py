"""A key policy takes from the account's root the ability to repair it."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.compared import MANAGING
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    if policy.root_can(policy.before, MANAGING) and not policy.root_can(policy.after, MANAGING):
        summary = f"the root of {key.account} may not replace the policy any more"
        about = (f"arn:aws:iam::{key.account}:root",)
        yield Finding(key.arn, summary, about=about, **on_key(key))


RULE = AlertRule(
    id="key-policy-root-removed",
    title="Account root can no longer replace the key policy",
    severity=HIGH,
    means="If the principals that the policy names are deleted, nobody in the account can repair the policy.",
    do="Put back a statement for the account's root while somebody still can.",
    references=("T1531",),
    kind=OnChange(judge, on=POLICY_SET, costly=True),
)
