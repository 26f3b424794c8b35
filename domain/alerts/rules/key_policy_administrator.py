"""A key policy makes somebody an administrator of the key who was not one before."""

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
    before = policy.could_administer(policy.before)
    someone = policy.callers(lambda each: each.kind != "root" and bool(each.account)) & ~before
    gained = policy.beyond_public(policy.newly_administering(someone))
    if gained:
        who = policy.callers_of(gained)
        summary = f"{', '.join(who)} may administer the key now: {', '.join(policy.actions_of(gained))}"
        yield Finding(key.arn, summary, about=tuple(who), evidence=policy.shown(gained), **on_key(key))


RULE = AlertRule(
    id="key-policy-administrator",
    title="Key policy makes a new administrator",
    severity=HIGH,
    means=(
        "A principal that could not administer the key may now replace its policy, create grants, or disable "
        "or delete it. Grants that only AWS services may create for the principal (kms:GrantIsForAWSResource) do not count."
    ),
    do=PUT_BACK,
    references=("T1098.003",),
    kind=OnChange(judge, on=POLICY_REPLACED, costly=True),
)
