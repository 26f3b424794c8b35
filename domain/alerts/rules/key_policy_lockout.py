"""A key policy was put without the check that keeps its author from locking everyone out."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM


def judge(change: Change) -> Iterator[Finding]:
    key, event = change.key, change.event
    if key is None or not event.bypassed_lockout_check:
        return
    summary = f"{change.who} bypassed the lock-out check" + (
        " and may not replace the policy under it" if event.locked_out else ""
    )
    yield Finding(key.arn, summary, about=(change.who,), **on_key(key))


RULE = AlertRule(
    id="key-policy-lockout",
    title="Lock-out check bypassed",
    severity=MEDIUM,
    means="BypassPolicyLockoutSafetyCheck was set, so nobody may be able to manage the key now.",
    do="Ask `keytrail who-can kms:PutKeyPolicy KEY`.",
    references=("T1531",),
    kind=OnChange(judge, on=POLICY_SET),
)
