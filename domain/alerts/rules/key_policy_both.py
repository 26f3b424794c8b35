"""A key policy lets one principal both administer and use the key."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.compared import MANAGING, USING
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM


def judge(change: Change) -> Iterator[Finding]:
    """Judges only principals that the policy names or means by a pattern. Root can do both on most keys, and no separation of
    duties limits it."""
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


RULE = AlertRule(
    id="key-policy-both",
    title="One principal may both administer and use the key",
    severity=MEDIUM,
    means="Duties are no longer separated: a principal that decides on access can also read what the key protects.",
    do="Split the statement into one for an administrator and one for a user.",
    references=("T1098.003",),
    kind=OnChange(judge, on=POLICY_SET, costly=True),
)
