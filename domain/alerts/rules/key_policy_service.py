"""A key policy lets in a service on behalf of anyone."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.policy_analysis.boxes import common
from domain.policy_analysis.check import as_a_stranger
from domain.policy_analysis.stranger_values import strangers_have


def judge(change: Change) -> Iterator[Finding]:
    """A policy is safe if the service must say for which account or resource it calls: it is then not let in for a stranger."""
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    gained = policy.beyond_public(policy.let_in(policy.callers(lambda each: each.kind == "service")))
    limits = {each.name: as_a_stranger(each) for each in policy.space.dimensions if strangers_have(each.name)}
    everyones = [each for each in gained if all(limits.values()) and common(each.box, policy.space.box(limits))]
    if everyones:
        who = policy.callers_of(everyones)
        summary = (
            f"the policy lets {', '.join(who)} in for whomever it calls: {', '.join(policy.actions_of(everyones))}"
        )
        yield Finding(key.arn, summary, about=tuple(who), evidence=policy.shown(everyones), **on_key(key))


RULE = AlertRule(
    id="key-policy-service",
    title="Key policy lets a service in for whomever it calls",
    severity=MEDIUM,
    means="A service may use the key for anybody's resource (the confused deputy).",
    do="Add aws:SourceArn or aws:SourceAccount to the statement.",
    references=("T1199",),
    kind=OnChange(judge, on=POLICY_SET, costly=True),
)
