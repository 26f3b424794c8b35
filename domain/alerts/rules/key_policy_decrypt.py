"""A key policy newly lets a principal of the account decrypt."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.compared import DECRYPTING, is_own
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_REPLACED, PUT_BACK
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.policy.compile import ROLE


def judge(change: Change) -> Iterator[Finding]:
    """Judges only a policy that replaced another: a new key's policy has to name its first users."""
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    own = policy.callers(is_own(key.account))
    gained = policy.beyond_public(policy.let_in(own, policy.actions(DECRYPTING), ROLE))
    if gained:
        who = policy.callers_of(gained)
        summary = f"the policy lets {', '.join(who)} decrypt: {', '.join(policy.actions_of(gained))}"
        yield Finding(key.arn, summary, about=tuple(who), evidence=policy.shown(gained), **on_key(key))


RULE = AlertRule(
    id="key-policy-decrypt",
    title="Key policy newly lets a principal decrypt",
    severity=HIGH,
    means="A principal of the account can now read what it could not read before.",
    do=PUT_BACK,
    references=("T1530", "T1098.003"),
    kind=OnChange(judge, on=POLICY_REPLACED, costly=True),
)
