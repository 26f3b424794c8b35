"""A key policy newly leaves decrypting to the identity policies of the account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.alerts.change import Change, on_key
from domain.alerts.compared import DECRYPTING, is_own
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_REPLACED, covered
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import MEDIUM
from domain.arn import root_arn
from domain.policy.compile import DELEGATED


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if policy.why:
        yield from by_text(change)
    if key is None or policy.why:
        return
    gained = policy.let_in(policy.callers(is_own(key.account)), policy.actions(DECRYPTING))
    left = policy.beyond_public([each for each in gained if each.upper == DELEGATED])
    if left:
        summary = (
            f"whoever identity policies of {key.account} allow may decrypt now: {', '.join(policy.actions_of(left))}"
        )
        yield Finding(
            key.arn, summary, about=(f"arn:aws:iam::{key.account}:root",), evidence=policy.shown(left), **on_key(key)
        )


def by_text(change: Change) -> Iterator[Finding]:
    """Finds a statement that names the account, has no condition and covers some decrypting that no such statement did before."""
    key = change.key
    if key is None:
        return
    before = {name for each in change.old_statements for name in _delegated(each, key.account)}
    for at, statement in change.new_statements:
        if not _delegated(statement, key.account) <= before:
            summary = f"whoever identity policies of {key.account} allow may decrypt now, as statement {at} says"
            about = (root_arn(key.account),)
            yield Finding(key.arn, summary, about=about, evidence={"statement": statement}, **on_key(key))
            return


def _delegated(statement: dict[str, Any], account: str) -> set[str]:
    if statement.get("Effect") != "Allow" or statement.get("Condition"):
        return set()
    principal = statement.get("Principal")
    named = principal.get("AWS", ()) if isinstance(principal, dict) else ()
    if not {account, root_arn(account)} & set([named] if isinstance(named, str) else named):
        return set()
    return covered(statement, DECRYPTING)


RULE = AlertRule(
    id="key-policy-delegated",
    title="Key policy newly leaves decrypting to identity policies",
    severity=MEDIUM,
    means="Everybody who can write identity policies of the account now decides who decrypts.",
    do="Ask `keytrail who-can kms:Decrypt KEY` whom this lets in.",
    references=("T1098.003",),
    kind=OnChange(judge, on=POLICY_REPLACED, costly=True, by_text=by_text),
)
