"""A key policy went back to an older version that lets in more."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.change import Change, Version, on_key
from domain.alerts.compared import Compared
from domain.alerts.finding import Finding
from domain.alerts.key_policy import COMPARE, POLICY_REPLACED
from domain.alerts.rule import AlertRule, OnChange
from domain.alerts.severities import HIGH
from domain.keys.states import KEY_ACTIONS
from domain.policy_analysis.compare import Witnesses, gains
from domain.policy_analysis.space import Side, Space
from domain.policy_analysis.words import TooMany

MOST_COMPARED = 10
"""The number of older versions, newest first, that are compared by meaning; all are compared by their text."""
ASKED = 3
"""The number of newly allowed requests that an older version must allow too, before it is compared by meaning."""


def judge(change: Change) -> Iterator[Finding]:
    key, policy = change.key, change.policy
    if key is None or policy.why or not policy.gained:
        return
    found = older(policy, [each for each in change.facts.versions if each.version < key.policy_version])
    if found is not None:
        weaker = f"which lets in more than {key.policy_version}: {', '.join(policy.actions_of(policy.gained))}"
        summary = f"back to what version {found.version} said, {weaker}"
        evidence = policy.shown(policy.gained) | {"version": found.version}
        yield Finding(key.arn, summary, about=(change.who,), evidence=evidence, **on_key(key))


def older(policy: Compared, versions: list[Version]) -> Version | None:
    """The newest version that says the same as the new policy."""
    new = policy.sides[1]
    newest = {each.text: each for each in sorted(versions, key=lambda each: each.version)}
    if new.text in newest:
        return newest[new.text]
    candidates = sorted(newest.values(), key=lambda each: -each.version)[:MOST_COMPARED]
    for each in candidates:
        side = Side(each.text, each.principals, each.version)
        if _lets_in(policy, side) and _same(policy, side, new):
            return each
    return None


def _lets_in(policy: Compared, side: Side) -> bool:
    """Whether the older policy too lets in some requests that the change let in. This takes a hundredth of a comparison,
    and rules out most versions."""
    witnesses = Witnesses(policy.space, policy.sides[0], side)
    known = [each for each in policy.gained if not policy.space.opaque_in(each.box)]
    return all(witnesses.of(each.box, each.lower, each.upper) is not None for each in known[:ASKED])


def _same(policy: Compared, one: Side, other: Side) -> bool:
    """Whether both policies answer every request alike."""
    try:
        space = Space((one, other), policy.account, KEY_ACTIONS, policy.key, fixed=policy.fixed)
        before, after = space.meanings
        return not gains(before, after, space, space.whole) and not gains(after, before, space, space.whole)
    except TooMany:
        return False


RULE = AlertRule(
    id="key-policy-returned",
    title="Key policy went back to an older, weaker version",
    severity=HIGH,
    means="Access that a later version had closed is open again.",
    do=COMPARE + "put the stronger version back.",
    references=("T1562",),
    kind=OnChange(judge, on=POLICY_REPLACED, costly=True),
)
