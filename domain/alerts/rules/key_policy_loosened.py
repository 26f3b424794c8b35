"""A key policy lets the same principals do the same with fewer conditions."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, on_key
from domain.alerts.compared import Compared, Gain
from domain.alerts.finding import Finding
from domain.alerts.key_policy import POLICY_REPLACED, PUT_BACK
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.policy_analysis.boxes import within
from domain.policy_analysis.budget import spend


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or policy.why:
        return
    found = [(each, keys) for each in policy.let_in(policy.space.callers.whole) if (keys := loosened(policy, each))]
    if found:
        keys = sorted({name for _, names in found for name in names})
        gained = [each for each, _ in found]
        who = policy.callers_of(gained)
        summary = f"fewer conditions ({', '.join(keys)}) for {', '.join(who)}: {', '.join(policy.actions_of(gained))}"
        evidence = policy.shown(gained) | {"condition_keys": keys}
        yield Finding(key.arn, summary, about=tuple(who), evidence=evidence, **on_key(key))


def loosened(policy: Compared, gain: Gain) -> list[str]:
    """The condition keys that this set is free of. Under the policy before, the same callers had to meet conditions on them
    for the same actions."""
    space = policy.space
    whole = space.freed(gain.box)
    spend(len(space.whole))
    before = within(policy.before.at_least(gain.upper), [whole])
    return sorted(
        {
            dimension.name
            for held in before
            for (dimension, mine), (_, was) in zip(space.keys_in(gain.box), space.keys_in(held), strict=True)
            if was != dimension.whole and mine & ~was
        }
    )


RULE = AlertRule(
    id="key-policy-loosened",
    title="Key policy asks fewer conditions",
    severity=HIGH,
    means="The same principals may do the same in more situations: with another service, account, context or source.",
    do=PUT_BACK,
    references=("T1562",),
    kind=OnChange(judge, on=POLICY_REPLACED, costly=True),
)
