"""A key policy lets in callers about whom nothing is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET, PUT_BACK, covered
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import CRITICAL
from domain.keys.states import KEY_ACTIONS


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if policy.why:
        yield from by_text(change)
    if key is None or not policy.public:
        return
    actions = policy.actions_of(policy.public)
    summary = f"the policy lets anyone in, of any account: {', '.join(actions)}"
    yield Finding(key.arn, summary, about=("*",), evidence=policy.shown(policy.public), **on_key(key))


def by_text(change: Change) -> Iterator[Finding]:
    """Finds a statement that names everyone and has no condition, for something for which no statement did so before. Denies
    are not considered."""
    key = change.key
    if key is None:
        return
    before = {name for each in change.old_statements if _admits_everyone(each) for name in covered(each, KEY_ACTIONS)}
    for at, statement in change.new_statements:
        if _admits_everyone(statement) and not covered(statement, KEY_ACTIONS) <= before:
            summary = f"the policy lets anyone in, of any account: statement {at} names everyone and asks for nothing"
            yield Finding(key.arn, summary, about=("*",), evidence={"statement": statement}, **on_key(key))
            return


def _admits_everyone(statement: dict[str, Any]) -> bool:
    if statement.get("Effect") != "Allow" or statement.get("Condition"):
        return False
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        named = principal.get("AWS", ())
        return "*" in ([named] if isinstance(named, str) else named)
    return bool(principal == "*")


RULE = AlertRule(
    id="key-policy-public",
    title="Key policy lets anyone in",
    severity=CRITICAL,
    means="The new policy lets in principals of any account, including those that it does not name.",
    do=PUT_BACK + " Then ask `keytrail decisions --key KEY` who came in meanwhile.",
    references=("Security Hub KMS.5", "T1537"),
    kind=OnChange(judge, on=POLICY_SET, costly=True, by_text=by_text),
)
