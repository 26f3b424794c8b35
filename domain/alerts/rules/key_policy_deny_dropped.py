"""A key policy denies less than the one before."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_REPLACED, PUT_BACK
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    dropped = policy.no_more_denied()
    if dropped:
        who = policy.callers_of(dropped)
        summary = f"no longer denied to {', '.join(who)}: {', '.join(policy.actions_of(dropped))}"
        yield Finding(key.arn, summary, about=tuple(who), evidence=policy.shown(dropped), **on_key(key))


RULE = AlertRule(
    id="key-policy-deny-dropped",
    title="Key policy denies less",
    severity=HIGH,
    means="Requests that were always denied are no longer denied.",
    do=PUT_BACK,
    references=("T1562",),
    kind=OnChange(judge, on=POLICY_REPLACED, costly=True),
)
