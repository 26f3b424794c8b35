"""A statement of a key policy that can never match."""

from __future__ import annotations

import json
from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_SET
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import LOW
from domain.errors import Refusal
from domain.keys.states import KEY_ACTIONS
from domain.policy_analysis.boxes import subtract
from domain.policy_analysis.space import Side, Space
from domain.policy_analysis.words import TooMany
from domain.state.principals import own_principals

ELSEWHERE = ("kms:ReplicateKey", "kms:SynchronizeMultiRegionKey", "kms:UpdatePrimaryRegion")
"""Actions of multi-Region keys at AWS. There are no such keys here, but a statement about them is no mistake."""


def judge(change: Change) -> Iterator[Finding]:
    """Looks at each statement by itself, over every possible request."""
    key = change.key
    if key is None:
        return
    version = json.loads(change.event.policy).get("Version", "2008-10-17")
    for at, statement in change.new_statements:
        text = json.dumps({"Version": version, "Statement": [statement]})
        if is_dead(Side(text, own_principals(change.event.principals, key.account)), key.account, key.arn):
            sid, effect = statement.get("Sid", ""), statement.get("Effect")
            summary = f"statement {at} {sid!r} ({effect}) matches no request that can be"
            yield Finding(f"{key.arn}#{at}", summary, evidence={"statement": statement}, **on_key(key))


def is_dead(side: Side, account: str, key: str) -> bool:
    try:
        space = Space((side,), account, [*KEY_ACTIONS, *ELSEWHERE], key)
        (meaning,) = space.meanings
        return not subtract([*meaning.denies, *meaning.at_least(1)], space.impossible)
    except (TooMany, Refusal):
        return False


RULE = AlertRule(
    id="key-policy-dead-statement",
    title="Statement that can never match",
    severity=LOW,
    means="The statement has no effect: a Deny that protects nothing, or an Allow that somebody relies on.",
    do="Correct its Action, Principal, Resource or Condition, or remove it.",
    references=(),
    kind=OnChange(judge, on=POLICY_SET, costly=True),
)
